internal import Synchronization

/// Counts the changes after which a blob that a project saw may be gone for it.
///
/// Whoever remembers an answer about a blob reads ``now`` *before* asking, and forgets the answer as soon as ``now`` is
/// another. Each change ticks after its transaction, so a remembered answer outlives the change by no more than the
/// moment between the two; bytes that are open stay readable in any case.
package final class VisibilityClock: Sendable {
    private let changes = Atomic<UInt64>(0)

    /// The number of changes so far.
    package var now: UInt64 { self.changes.load(ordering: .acquiring) }

    /// Notes that something may have become invisible.
    func tick() { self.changes.add(1, ordering: .releasing) }
}

extension CacheService {
    /// Forgets remembered answers because who may see what has changed.
    package func rulesChanged() { self.visibility.tick() }
}

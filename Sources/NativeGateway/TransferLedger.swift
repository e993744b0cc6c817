internal import CacheModel
internal import CacheService
internal import StorageInterface
internal import Synchronization

/// Which key family the bytes of a restore or a save belong to; only the figures depend on it.
///
/// Kept in memory and bounded: what is forgotten is missing in the figures and nowhere else.
final class TransferLedger: Sendable {
    /// What a session has received.
    struct Session: Sendable {
        var bytes = 0
        /// Whether a layer was asked for and all of them were there.
        var wasKnown = false
    }

    private struct State {
        var families: [String: Traffic.Family] = [:]
        var sessions: [Saver: Session] = [:]
    }

    private static let capacity = 10_000
    private let state = Mutex(State())

    /// Notes the family that a restore's lease belongs to.
    func note(_ restore: Restore, families: [String]) {
        let resolution = restore.resolution
        let family = Traffic.Family(project: resolution.entry.project, name: families[resolution.patternIndex])
        self.state.withLock { state in
            if state.families.count >= Self.capacity { state.families.removeAll() }
            state.families[restore.lease] = family
        }
    }

    /// The family of a lease.
    func family(_ lease: String) -> Traffic.Family? { self.state.withLock { $0.families[lease] } }

    /// Forgets a lease.
    func forget(_ lease: String) { self.state.withLock { _ = $0.families.removeValue(forKey: lease) } }

    /// Notes which trees of a session were known.
    func note(_ layers: [Layer?], of saver: Saver) {
        self.update(saver) { $0.wasKnown = !layers.isEmpty && layers.allSatisfy { $0 != nil } }
    }

    /// Notes bytes that a session has received.
    func note(_ bytes: Int, of saver: Saver) { self.update(saver) { $0.bytes += bytes } }

    /// Takes what is known of a session and forgets it.
    func take(_ saver: Saver) -> Session {
        self.state.withLock { $0.sessions.removeValue(forKey: saver) } ?? Session()
    }

    private func update(_ saver: Saver, _ change: (inout Session) -> Void) {
        self.state.withLock { state in
            if state.sessions.count >= Self.capacity { state.sessions.removeAll() }
            change(&state.sessions[saver, default: Session()])
        }
    }
}

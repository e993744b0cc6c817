internal import CacheModel
internal import StorageInterface
internal import Synchronization

/// Restores in progress: their entries are not evicted, and the layers they read are not collected.
///
/// Leases live in memory, not in the catalog: a restore then writes nothing,
/// and after a restart of the server a restore whose entry was evicted in
/// between is merely a miss.
final class Leases: Sendable {
    private struct Lease {
        var entry: Int64?
        var recipes: [Digest]
        var expiresAt: Timestamp
    }

    private let duration: Duration
    private let leases = Mutex<[String: Lease]>([:])

    init(duration: Duration) { self.duration = duration }

    /// Protects an entry, and layers with these recipes, until the lease ends or expires.
    func take(entry: Int64?, _ recipes: [Digest], at now: Timestamp) -> String {
        var generator = SystemRandomNumberGenerator()
        let name = String(generator.next() as UInt64, radix: 36) + String(generator.next() as UInt64, radix: 36)
        self.leases.withLock { $0[name] = Lease(entry: entry, recipes: recipes, expiresAt: now + self.duration) }
        return name
    }

    /// Moves a lease's expiry forward, because it is being used.
    func renew(_ name: String, at now: Timestamp) {
        self.leases.withLock { $0[name]?.expiresAt = now + self.duration }
    }

    /// Ends a lease; one that is not known has ended before.
    func end(_ name: String) {
        self.leases.withLock { _ = $0.removeValue(forKey: name) }
    }

    /// The recipes that are protected now.
    func recipes(at now: Timestamp) -> Set<Digest> {
        self.current(at: now).reduce(into: []) { $0.formUnion($1.recipes) }
    }

    /// The entries that are protected now.
    func entries(at now: Timestamp) -> Set<Int64> {
        Set(self.current(at: now).compactMap(\.entry))
    }

    /// The leases that have not expired; the others are dropped.
    private func current(at now: Timestamp) -> [Lease] {
        self.leases.withLock { leases in
            leases = leases.filter { $0.value.expiresAt > now }
            return Array(leases.values)
        }
    }
}

/// Blobs whose bytes may be on the disk before their row is: a check must not take them for strays.
final class UploadsInFlight: Sendable {
    private let digests = Mutex<[Digest: Int]>([:])

    func begin(_ digests: [Digest]) {
        self.digests.withLock { inFlight in
            for digest in digests { inFlight[digest, default: 0] += 1 }
        }
    }

    func end(_ digests: [Digest]) {
        self.digests.withLock { inFlight in
            for digest in digests {
                let count = inFlight[digest, default: 1] - 1
                inFlight[digest] = count > 0 ? count : nil
            }
        }
    }

    var isEmpty: Bool { self.digests.withLock { $0.isEmpty } }

    func contains(_ digest: Digest) -> Bool {
        self.digests.withLock { $0[digest] != nil }
    }
}

/// What happened since the last flush, for the figures and for least-recently-used order.
///
/// Kept in memory so that a restore never waits for a write; a crash loses some seconds of it.
final class TrafficLog: Sendable {
    private let pending = Mutex(Traffic())

    func note(_ change: (inout Traffic) -> Void) {
        self.pending.withLock { change(&$0) }
    }

    func take() -> Traffic {
        self.pending.withLock { pending in
            let traffic = pending
            pending = Traffic()
            return traffic
        }
    }
}

internal import CacheModel
internal import Logging
package import StorageInterface
internal import Synchronization

/// Keeps the bytes under the budget: room is made before bytes are written.
final class Budget: Sendable {
    private struct State {
        var reserved = 0
        var collection: Task<CollectionReport, any Error>?
    }

    let policy: EvictionPolicy
    private let overhead: @Sendable () -> Int
    private let state = Mutex(State())

    init(policy: EvictionPolicy, overhead: @escaping @Sendable () -> Int) {
        self.policy = policy
        self.overhead = overhead
    }

    /// The bytes that blobs may take, or `nil` for no limit.
    var blobBytes: Int? { self.policy.budget.map { max(0, $0 - self.overhead()) } }

    /// Reserves `size` bytes if they fit beside what is stored and reserved.
    func reserve(_ size: Int, stored: Int) -> Bool {
        guard let limit = self.blobBytes else { return true }
        return self.state.withLock { state in
            guard stored + state.reserved + size <= limit else { return false }
            state.reserved += size
            return true
        }
    }

    /// Gives a reservation back, once its bytes are counted or were not written.
    func release(_ size: Int) {
        guard self.policy.budget != nil else { return }
        self.state.withLock { $0.reserved -= size }
    }

    /// The bytes that are reserved now.
    var reserved: Int { self.state.withLock { $0.reserved } }

    /// Joins the collection that is running, or starts one: never two at a time.
    func collectOnce(
        _ collect: @escaping @Sendable () async throws -> CollectionReport
    ) async throws -> CollectionReport {
        let task = self.state.withLock { state in
            if let running = state.collection { return running }
            let task = Task {
                defer { self.state.withLock { $0.collection = nil } }
                return try await collect()
            }
            state.collection = task
            return task
        }
        return try await task.value
    }
}

/// What a collection did.
package struct CollectionReport: Sendable {
    /// Entries that are no longer visible.
    package var removedEntries = 0
    /// Blobs that were deleted.
    package var deletedBlobs = 0
    /// The stored bytes of these.
    package var freedBytes = 0

    package init() {}
}

extension CacheService {
    /// The share of the budget that a collection under pressure frees at least, so that not every upload collects.
    private static let slack = 0.02

    /// Removes what has expired or is over a budget, and deletes the bytes that nothing refers to any more.
    ///
    /// Runs beside saves and restores and takes no lock that they wait for.
    ///
    /// - Parameter actor: Who asked for it, for the audit log.
    /// - Returns: What was done.
    /// - Throws: What the catalog and the blob store throw.
    package func collect(actor: String = AuditEvent.server) async throws -> CollectionReport {
        let report = try await self.budget.collectOnce { try await self.collect(freeing: 0, actor: actor) }
        if actor != AuditEvent.server {
            let detail = "\(report.removedEntries) entries removed, \(report.deletedBlobs) blobs deleted"
            try await self.note(.collected, by: actor, detail: detail)
        }
        return report
    }

    /// What ``collect()`` would do now, without doing it.
    package func previewCollection() async throws -> CollectionPreview {
        let now = self.now()
        var policy = self.budget.policy
        policy.budget = self.budget.blobBytes
        return try await self.catalog.previewCollection(
            by: policy,
            keepRemovedSince: now - self.configuration.undoTime,
            except: self.leases.entries(at: now),
            at: now
        )
    }

    /// Makes room for so many bytes and reserves it.
    ///
    /// The answer goes to ``Budget/release(_:)``.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `quotaExceeded` if there is no room and none can be made.
    func makeRoom(for size: Int) async throws -> Int {
        guard let limit = self.budget.blobBytes else { return size }
        // The limit moves: the database needs room, too, and grows while entries are removed.
        var wanted = size + self.budget.reserved + Int(Double(limit) * Self.slack)
        for _ in 0..<16 {
            if self.budget.reserve(size, stored: try await self.catalog.storedBytes()) { return size }
            let target = wanted
            let report = try await self.budget.collectOnce {
                try await self.collect(freeing: target, actor: AuditEvent.server)
            }
            let shortfall =
                try await self.catalog.storedBytes() + self.budget.reserved + size - (self.budget.blobBytes ?? limit)
            guard shortfall > 0 else { continue }
            let hasFreed = report.freedBytes > 0 || report.removedEntries > 0
            if !hasFreed, target > limit { break }
            // What restores are reading and saves have pinned cannot be deleted now, so more of the rest has to go; how
            // much more is only known by trying.
            wanted += hasFreed ? shortfall : max(shortfall, wanted)
        }
        throw CacheError(
            .quotaExceeded,
            "the server's budget of \(Quantity.describe(bytes: self.budget.policy.budget ?? 0)) is full of pinned "
                + "entries and saves in progress; raise --max-size or unpin entries"
        )
    }

    private func collect(freeing wanted: Int, actor: String) async throws -> CollectionReport {
        var report = CollectionReport()
        var policy = self.budget.policy
        policy.budget = self.budget.blobBytes.map { max(0, $0 - wanted) }
        while true {
            let now = self.now()
            let undoLimit = now - self.configuration.undoTime
            let step = try await self.catalog.evict(
                by: policy,
                keepRemovedSince: undoLimit,
                except: self.leases.entries(at: now),
                at: now,
                limit: 100,
                actor: actor
            )
            if !step.removed.isEmpty || step.forgotten > 0 { self.visibility.tick() }
            report.removedEntries += step.removed.count
            let freed = try await self.deleteUnreferenced(&report)
            if step.removed.isEmpty, step.forgotten == 0, freed == 0 { break }
        }
        if report.deletedBlobs > 0 || report.removedEntries > 0 {
            self.logger.info(
                "collected",
                metadata: [
                    "entries": "\(report.removedEntries)", "blobs": "\(report.deletedBlobs)",
                    "bytes": "\(report.freedBytes)",
                ]
            )
        }
        return report
    }

    private func deleteUnreferenced(_ report: inout CollectionReport) async throws -> Int {
        var freed = 0
        while true {
            let now = self.now()
            let condemned = try await self.catalog.condemn(limit: 500, except: self.leases.recipes(at: now), at: now)
            guard !condemned.isEmpty else { return freed }
            self.visibility.tick()
            let bytes = try await self.catalog.forget(condemned) { try await self.blobs.delete($0) }
            report.deletedBlobs += condemned.count
            report.freedBytes += bytes
            freed += bytes
            if bytes == 0 { return freed }
        }
    }

    /// Writes what was noted since the last call to the catalog.
    package func flushTraffic() async throws {
        let traffic = self.traffic.take()
        if !traffic.isEmpty { try await self.catalog.note(traffic) }
    }
}

extension Timestamp {
    static func - (moment: Timestamp, duration: Duration) -> Timestamp { moment + (.zero - duration) }
}

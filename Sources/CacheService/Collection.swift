internal import CacheModel
internal import Logging
package import StorageInterface
internal import Synchronization

/// Keeps the bytes under the budget: room is made before bytes are written.
final class Budget: Sendable {
    /// Whose bytes are to be written, and so whose entries may go for them.
    enum Class: Hashable, Sendable {
        case protected
        case unprotected
    }

    /// Room that nobody else gets.
    struct Reservation: Sendable {
        var size: Int
        var budgetClass: Class
    }

    /// What is stored, as the catalog says.
    struct Stored: Sendable {
        var bytes: Int
        /// The bytes that only unprotected scopes hold.
        var unprotectedBytes: Int
    }

    private struct State {
        var reserved: [Class: Int] = [:]
        var collection: (task: Task<CollectionReport, any Error>, budgetClass: Class)?

        var allReserved: Int { self.reserved.values.reduce(0, +) }
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

    /// The bytes that lack beside what is stored and reserved; 0 or less if `size` fits.
    func shortfall(of size: Int, for budgetClass: Class, stored: Stored) -> Int {
        guard let limit = self.blobBytes else { return 0 }
        return self.state.withLock { self.shortfall(of: size, for: budgetClass, stored, limit, $0) }
    }

    private func shortfall(of size: Int, for budgetClass: Class, _ stored: Stored, _ limit: Int, _ state: State) -> Int
    {
        let all = stored.bytes + state.allReserved + size - limit
        guard budgetClass == .unprotected else { return all }
        let share = self.policy.unprotectedBytes(of: limit)
        return max(all, stored.unprotectedBytes + state.reserved[.unprotected, default: 0] + size - share)
    }

    /// Reserves `size` bytes if they fit beside what is stored and reserved.
    func reserve(_ size: Int, for budgetClass: Class, stored: Stored) -> Reservation? {
        guard let limit = self.blobBytes else { return Reservation(size: size, budgetClass: budgetClass) }
        return self.state.withLock { state in
            guard self.shortfall(of: size, for: budgetClass, stored, limit, state) <= 0 else { return nil }
            state.reserved[budgetClass, default: 0] += size
            return Reservation(size: size, budgetClass: budgetClass)
        }
    }

    /// Gives a reservation back, once its bytes are counted or were not written.
    func release(_ reservation: Reservation) {
        guard self.policy.budget != nil else { return }
        self.state.withLock { $0.reserved[reservation.budgetClass, default: 0] -= reservation.size }
    }

    /// The bytes that are reserved now, of one class or of both.
    func reserved(for budgetClass: Class? = nil) -> Int {
        self.state.withLock { state in budgetClass.map { state.reserved[$0, default: 0] } ?? state.allReserved }
    }

    /// Joins the collection that is running for this class, or starts one: never two at a time.
    func collectOnce(
        for budgetClass: Class,
        _ collect: @escaping @Sendable () async throws -> CollectionReport
    ) async throws -> CollectionReport {
        while true {
            let (task, running) = self.state.withLock { state in
                if let running = state.collection { return running }
                let task = Task {
                    defer { self.state.withLock { $0.collection = nil } }
                    return try await collect()
                }
                state.collection = (task, budgetClass)
                return (task, budgetClass)
            }
            if running == budgetClass { return try await task.value }
            // It frees other bytes than are wanted here.
            _ = await task.result
        }
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
    /// Of what is stored, a quarter at most is evicted because the disk, not the budget, is full.
    private static let evictedShare = 4

    /// Removes what has expired or is over a budget, and deletes the bytes that nothing refers to any more.
    ///
    /// Runs beside saves and restores and takes no lock that they wait for.
    ///
    /// - Parameter actor: Who asked for it, for the audit log.
    /// - Returns: What was done.
    /// - Throws: What the catalog and the blob store throw.
    package func collect(actor: String = AuditEvent.server) async throws -> CollectionReport {
        let report = try await self.budget.collectOnce(for: .protected) {
            try await self.collect(freeing: 0, for: .protected, actor: actor)
        }
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

    /// Makes room for one more entry in a project that has as many as it may have.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `quotaExceeded` if there is none and none can be made.
    func makeRoomForEntry(in project: ProjectName, isUnprotected: Bool) async throws {
        guard let most = self.budget.policy.projectEntries else { return }
        let budgetClass = isUnprotected ? Budget.Class.unprotected : .protected
        // The first collection may be one that was running, and for something else.
        for _ in 0..<2 {
            guard try await self.catalog.entryCount(of: project) >= most else { return }
            _ = try await self.budget.collectOnce(for: budgetClass) {
                try await self.collect(freeing: 0, makesRoomForEntry: true, for: budgetClass)
            }
        }
        guard try await self.catalog.entryCount(of: project) >= most else { return }
        let whose = isUnprotected ? ", and this scope may not push out protected ones" : ""
        throw CacheError(
            .quotaExceeded,
            "project \(project) has \(most) entries, which is as many as it may have\(whose); raise "
                + "--max-project-entries, or remove or unpin entries"
        )
    }

    /// How many entries are taken out of a full project, so that not every save collects; no more than one save can wait
    /// for.
    private static func slack(ofEntries entries: Int) -> Int { min(500, max(1, Int(Double(entries) * Self.slack))) }

    /// Makes room for so many bytes and reserves it.
    ///
    /// The answer goes to ``Budget/release(_:)``.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `quotaExceeded` if there is no room and none can be made.
    func makeRoom(for size: Int, isUnprotected: Bool) async throws -> Budget.Reservation {
        let budgetClass = isUnprotected ? Budget.Class.unprotected : .protected
        try await self.makeRoomOnDisk(for: size, budgetClass)
        guard let limit = self.budget.blobBytes else { return Budget.Reservation(size: size, budgetClass: budgetClass) }
        let most = isUnprotected ? self.budget.policy.unprotectedBytes(of: limit) : limit
        // The limit moves: the database needs room, too, and grows while entries are removed.
        var wanted = size + Int(Double(most) * Self.slack)
        wanted += self.budget.reserved(for: isUnprotected ? .unprotected : nil)
        for _ in 0..<16 {
            let stored = try await self.stored(for: budgetClass)
            if let reservation = self.budget.reserve(size, for: budgetClass, stored: stored) { return reservation }
            let target = wanted
            let report = try await self.budget.collectOnce(for: budgetClass) {
                try await self.collect(freeing: target, for: budgetClass)
            }
            let left = try await self.stored(for: budgetClass)
            let shortfall = self.budget.shortfall(of: size, for: budgetClass, stored: left)
            guard shortfall > 0 else { continue }
            let hasFreed = report.freedBytes > 0 || report.removedEntries > 0
            if !hasFreed, target > most { break }
            // What restores are reading and saves have pinned cannot be deleted now, so more of the rest has to go; how
            // much more is only known by trying.
            wanted += hasFreed ? shortfall : max(shortfall, wanted)
        }
        throw self.noRoom(for: budgetClass)
    }

    private func stored(for budgetClass: Budget.Class) async throws -> Budget.Stored {
        let bytes = try await self.catalog.storedBytes()
        guard budgetClass == .unprotected else { return Budget.Stored(bytes: bytes, unprotectedBytes: 0) }
        return Budget.Stored(bytes: bytes, unprotectedBytes: try await self.catalog.unprotectedBytes())
    }

    private func noRoom(for budgetClass: Budget.Class) -> CacheError {
        let budget = Quantity.describe(bytes: self.budget.policy.budget ?? 0)
        switch budgetClass {
        case .protected:
            return CacheError(
                .quotaExceeded,
                "the server's budget of \(budget) is full of pinned entries and saves in progress; "
                    + "raise --max-size or unpin entries"
            )
        case .unprotected:
            let share = Int((self.budget.policy.unprotectedShare * 100).rounded())
            return CacheError(
                .quotaExceeded,
                "there is no room for unprotected scopes: they may hold \(share) % of the server's budget of \(budget) "
                    + "and push out nobody else; raise --unprotected-share or --max-size"
            )
        }
    }

    /// Collects until `wanted` bytes of the budget are free, there is room on the disk for `size` more and, if that is
    /// asked for, no project has as many entries as it may have.
    func collect(
        freeing wanted: Int,
        onDisk size: Int = 0,
        makesRoomForEntry: Bool = false,
        for budgetClass: Budget.Class,
        actor: String = AuditEvent.server
    ) async throws -> CollectionReport {
        var report = CollectionReport()
        var policy = self.budget.policy
        policy.evictsProtected = budgetClass == .protected
        if makesRoomForEntry { policy.projectEntries = policy.projectEntries.map { $0 - Self.slack(ofEntries: $0) } }
        if let limit = self.budget.blobBytes {
            policy.budget = max(0, limit - wanted)
            if budgetClass == .unprotected {
                policy.unprotectedBudget = max(0, policy.unprotectedBytes(of: limit) - wanted)
            }
        }
        let shortfall = self.shortfall(writing: size)
        if shortfall > 0 {
            // What nobody refers to goes first: that may be enough.
            let rest = shortfall - (try await self.deleteUnreferenced(&report))
            let stored = try await self.catalog.storedBytes()
            // If somebody else has filled the disk, giving up the cache for it would not help for long.
            if rest > 0, rest <= stored / Self.evictedShare {
                policy.budget = min(policy.budget ?? .max, stored - rest)
            }
        }
        while true {
            let now = self.now()
            let undoLimit = now - self.configuration.undoTime
            let step = try await self.removing { [policy] in
                try await self.catalog.evict(
                    by: policy,
                    keepRemovedSince: undoLimit,
                    except: self.leases.entries(at: now),
                    at: now,
                    limit: 100,
                    actor: actor
                )
            }
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
            let condemned = try await self.removing {
                try await self.catalog.condemn(limit: 500, except: self.leases.recipes(at: now), at: now)
            }
            guard !condemned.isEmpty else { return freed }
            self.visibility.tick()
            let bytes = try await self.removing {
                try await self.catalog.forget(condemned) { try await self.blobs.delete($0) }
            }
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

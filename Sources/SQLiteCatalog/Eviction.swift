package import CacheModel
internal import GRDB
package import StorageInterface

extension SQLiteCatalog {
    package func evict(
        by policy: EvictionPolicy,
        keepRemovedSince undoLimit: Timestamp,
        except leased: Set<Int64>,
        at now: Timestamp,
        limit: Int,
        actor: String
    ) async throws -> EvictionReport {
        try await self.write { database in
            var eviction = Eviction(
                ledger: Ledger(database: database),
                policy: policy,
                leased: leased,
                now: now,
                limit: limit,
                actor: actor
            )
            return try eviction.run(undoLimit: undoLimit)
        }
    }
}

extension SQLiteCatalog {
    package func previewCollection(
        by policy: EvictionPolicy,
        keepRemovedSince undoLimit: Timestamp,
        except leased: Set<Int64>,
        at now: Timestamp
    ) async throws -> CollectionPreview {
        try await self.write { database in
            var preview = CollectionPreview(entries: 0, blobs: 0, bytes: 0)
            // The very steps are taken, and undone.
            try database.inSavepoint {
                let ledger = Ledger(database: database)
                while true {
                    var step = Eviction(
                        ledger: ledger,
                        policy: policy,
                        leased: leased,
                        now: now,
                        limit: 1_000,
                        actor: AuditEvent.server
                    )
                    let report = try step.run(undoLimit: undoLimit)
                    preview.entries += report.removed.count
                    if report.removed.isEmpty, report.forgotten == 0 { break }
                }
                try ledger.endSessions(at: now)
                try ledger.releaseLayers(limit: .max, except: [])
                let unused = "FROM blobs WHERE state = 1 OR (refs = 0 AND pins = 0)"
                preview.blobs = try database.value(Int.self, "SELECT count(*) \(unused)") ?? 0
                preview.bytes = try database.value(Int.self, "SELECT coalesce(sum(stored_size), 0) \(unused)") ?? 0
                return .rollback
            }
            return preview
        }
    }
}

/// One step of eviction.
private struct Eviction {
    let ledger: Ledger
    let policy: EvictionPolicy
    /// Holds for entries that nobody is restoring.
    let isFree: String
    let now: Timestamp
    let limit: Int
    let actor: String
    var removed: [Entry] = []
    var forgotten = 0

    init(
        ledger: Ledger,
        policy: EvictionPolicy,
        leased: Set<Int64>,
        now: Timestamp,
        limit: Int,
        actor: String
    ) {
        self.ledger = ledger
        self.policy = policy
        self.isFree = leased.isEmpty ? "TRUE" : "id NOT IN (\(leased.map(String.init).joined(separator: ", ")))"
        self.now = now
        self.limit = limit
        self.actor = actor
    }

    private var database: Database { self.ledger.database }

    mutating func run(undoLimit: Timestamp) throws -> EvictionReport {
        try self.classify()
        try self.expire()
        try self.forget(
            self.ledger.entryRows(
                "removed_at IS NOT NULL AND removed_at < ? AND \(self.isFree) ORDER BY removed_at, id LIMIT ?",
                [undoLimit.milliseconds, self.limit]
            )
        )
        if let budget = self.policy.projectBudget {
            let sql = "SELECT id FROM projects WHERE live_bytes > ? ORDER BY id"
            for project in try self.database.values(Int64.self, sql, [budget]) {
                try self.relieve(project, budget: budget)
            }
        }
        if let most = self.policy.projectEntries {
            let sql = "SELECT id FROM projects WHERE entries > ?"
            for project in try self.database.values(Int64.self, sql, [most]) {
                try self.relieve(project, ofEntriesOver: most)
            }
        }
        if let budget = self.policy.budget { try self.relieve(nil, budget: budget) }
        if let budget = self.policy.unprotectedBudget { try self.relieveOfUnprotected(budget) }
        return EvictionReport(removed: self.removed, forgotten: self.forgotten, isOverBudget: try self.isOverBudget())
    }

    /// Classifies all entries anew where the limit between the classes has changed.
    private func classify() throws {
        let limit = self.policy.smallEntryLimit
        guard try self.database.value(Int.self, "SELECT small_limit FROM totals") != limit else { return }
        try self.database.run("UPDATE entries SET size_class = CASE WHEN size < ? THEN 0 ELSE 1 END", [limit])
        func sum(_ sizeClass: Int, _ condition: String) -> String {
            """
            (SELECT coalesce(sum(size), 0) FROM entries
             WHERE removed_at IS NULL AND size_class = \(sizeClass) AND \(condition))
            """
        }
        try self.database.run(
            "UPDATE totals SET small_limit = ?, small_bytes = \(sum(0, "TRUE")), large_bytes = \(sum(1, "TRUE"))",
            [limit]
        )
        let own = "project = projects.id"
        try self.database.run("UPDATE projects SET small_bytes = \(sum(0, own)), large_bytes = \(sum(1, own))")
    }

    private mutating func expire() throws {
        let rows = try self.ledger.entryRows(
            """
            removed_at IS NULL AND is_pinned = 0 AND expires_at IS NOT NULL AND expires_at <= ?
            ORDER BY expires_at, id LIMIT ?
            """,
            [self.now.milliseconds, self.limit]
        )
        for row in rows { try self.remove(row, .expired, detail: "its time to live ended") }
    }

    private mutating func remove(_ row: EntryRow, _ reason: Removal.Reason, detail: String) throws {
        try self.ledger.remove(row, reason, at: self.now, detail: detail, actor: self.actor)
        if let gone = try self.ledger.entryRow(row.id) { self.removed.append(try self.ledger.entry(gone)) }
    }

    private mutating func forget(_ rows: [EntryRow]) throws {
        for row in rows {
            try self.ledger.forget(row)
            self.forgotten += 1
        }
    }

    /// Forgets removed entries, oldest first, then removes the least recently used ones, until the budget is met.
    private mutating func relieve(_ project: Int64?, budget: Int) throws {
        while true {
            let bytes = try self.bytes(of: project)
            guard bytes.live > budget, self.removed.count < self.limit else { return }
            if try self.takesUnprotectedFirst(in: project, budget),
                try self.takeUnprotected(in: project, detail: Self.detail(bytes.live, budget))
            {
                continue
            }
            guard self.policy.evictsProtected else { return }
            if let row = try self.oldestRemoved(in: project) {
                try self.forget([row])
            } else if let victim = try self.victim(in: project, bytes, budget) {
                try self.remove(victim, .evicted, detail: Self.detail(bytes.live, budget))
            } else {
                return
            }
        }
    }

    /// Forgets and removes entries in the same order until a project has no more than `most`.
    private mutating func relieve(_ project: Int64, ofEntriesOver most: Int) throws {
        while self.removed.count + self.forgotten < self.limit {
            let count = try self.database.value(Int.self, "SELECT entries FROM projects WHERE id = ?", [project]) ?? 0
            guard count > most else { return }
            let detail = "least recently used, the project has \(count) entries and may have \(most)"
            if try self.takeUnprotected(in: project, detail: detail) { continue }
            guard self.policy.evictsProtected else { return }
            if let row = try self.oldestRemoved(in: project) {
                try self.forget([row])
            } else if let victim = try self.leastRecentlyUsed(in: project) {
                try self.remove(victim, .evicted, detail: detail)
            } else {
                return
            }
        }
    }

    /// Whether the entries of unprotected scopes have to go before any other.
    ///
    /// A project's budget is checked after the fact, when nobody knows any more who exceeded it.
    private func takesUnprotectedFirst(in project: Int64?, _ budget: Int) throws -> Bool {
        guard project == nil, self.policy.evictsProtected else { return true }
        return try self.ledger.looseBytes() > self.policy.unprotectedBytes(of: budget)
    }

    /// Removes entries of unprotected scopes until these hold no more than their budget.
    private mutating func relieveOfUnprotected(_ budget: Int) throws {
        let pinned = try self.ledger.bytesPinnedLoosely()
        while self.removed.count < self.limit {
            let held = try self.ledger.looseBytes() + pinned
            guard held > budget, try self.takeUnprotected(in: nil, detail: Self.detail(held, budget)) else { return }
        }
    }

    /// Forgets or removes one entry of an unprotected scope, and says whether there was one.
    private mutating func takeUnprotected(in project: Int64?, detail: String) throws -> Bool {
        let own = project == nil ? "TRUE" : "project = ?"
        let arguments: StatementArguments = project.map { [$0] } ?? []
        let theirs = "is_unprotected = 1 AND \(own) AND \(self.isFree)"
        let removed = "removed_at IS NOT NULL AND \(theirs) ORDER BY removed_at, id LIMIT 1"
        if let row = try self.ledger.entryRows(removed, arguments).first {
            try self.forget([row])
            return true
        }
        let visible = "removed_at IS NULL AND is_pinned = 0 AND \(theirs) ORDER BY last_used_at, id LIMIT 1"
        guard let row = try self.ledger.entryRows(visible, arguments).first else { return false }
        try self.remove(row, .evicted, detail: detail)
        return true
    }

    private static func detail(_ held: Int, _ budget: Int) -> String {
        "least recently used, \(Quantity.describe(bytes: held)) over a budget of \(Quantity.describe(bytes: budget))"
    }

    private struct Bytes {
        var live: Int
        var small: Int
        var large: Int
    }

    private func bytes(of project: Int64?) throws -> Bytes {
        let columns = "SELECT live_bytes, small_bytes, large_bytes FROM"
        let rows: [Row] =
            if let project {
                try self.database.rows("\(columns) projects WHERE id = ?", [project])
            } else {
                try self.database.rows("\(columns) totals")
            }
        return rows.first.map { Bytes(live: $0[0], small: $0[1], large: $0[2]) } ?? Bytes(live: 0, small: 0, large: 0)
    }

    private func oldestRemoved(in project: Int64?) throws -> EntryRow? {
        let order = "AND \(self.isFree) ORDER BY removed_at, id LIMIT 1"
        guard let project else { return try self.ledger.entryRows("removed_at IS NOT NULL \(order)", []).first }
        return try self.ledger.entryRows("project = ? AND removed_at IS NOT NULL \(order)", [project]).first
    }

    /// The least recently used unpinned entry of the class that the policy chooses, or of both.
    private func victim(in project: Int64?, _ bytes: Bytes, _ budget: Int) throws -> EntryRow? {
        // Entries count raw bytes; what is stored is shared out in their proportion.
        let raw = bytes.small + bytes.large
        let share = raw == 0 ? 0 : Int(Double(bytes.live) * (Double(bytes.small) / Double(raw)))
        let small = bytes.small > 0 ? max(1, share) : 0
        let chosen = self.policy.classToEvict(smallBytes: small, largeBytes: bytes.live - small, of: budget)
        if let chosen, let row = try self.leastRecentlyUsed(chosen, in: project) { return row }
        return try self.leastRecentlyUsed(in: project)
    }

    /// The least recently used unpinned entry, whatever its size.
    private func leastRecentlyUsed(in project: Int64?) throws -> EntryRow? {
        try EvictionPolicy.SizeClass.allCases.compactMap { try self.leastRecentlyUsed($0, in: project) }
            .min { ($0.lastUsedAt, $0.id) < ($1.lastUsedAt, $1.id) }
    }

    private func leastRecentlyUsed(_ sizeClass: EvictionPolicy.SizeClass, in project: Int64?) throws -> EntryRow? {
        let condition = "size_class = ? AND removed_at IS NULL AND is_pinned = 0 AND \(self.isFree)"
        let rest = "\(condition) ORDER BY last_used_at, id LIMIT 1"
        guard let project else { return try self.ledger.entryRows(rest, [sizeClass.rawValue]).first }
        return try self.ledger.entryRows("project = ? AND \(rest)", [project, sizeClass.rawValue]).first
    }

    private func isOverBudget() throws -> Bool {
        if let budget = self.policy.budget, try self.bytes(of: nil).live > budget { return true }
        guard let budget = self.policy.projectBudget else { return false }
        return try self.database.value(Int64.self, "SELECT id FROM projects WHERE live_bytes > ? LIMIT 1", [budget])
            != nil
    }
}

package import CacheModel
internal import GRDB
package import StorageInterface

/// Changes by people, and notes of traffic.
extension SQLiteCatalog {
    package func change(_ change: EntryChange, at now: Timestamp, actor: String) async throws -> [Entry] {
        if change.isDryRun {
            return try await self.read { database in
                let ledger = Ledger(database: database)
                return try ledger.entries(ledger.targets(of: change))
            }
        }
        return try await self.write { database in
            let ledger = Ledger(database: database)
            let rows = try ledger.targets(of: change)
            for row in rows { try ledger.apply(change.action, to: row, at: now, actor: actor) }
            return try rows.compactMap { try ledger.entryRow($0.id) }.map(ledger.entry)
        }
    }

    package func note(_ traffic: Traffic) async throws {
        guard !traffic.isEmpty else { return }
        try await self.write { database in
            let ledger = Ledger(database: database)
            for (entry, use) in traffic.uses {
                try database.run(
                    "UPDATE entries SET last_used_at = ?1 WHERE id = ?2 AND last_used_at < ?1",
                    [use.milliseconds, entry]
                )
            }
            for (family, counts) in traffic.families {
                try ledger.add(counts, to: family)
            }
        }
    }
}

extension Ledger {
    /// The entries that a change would change, in the order of their keys, newest first.
    func targets(of change: EntryChange) throws -> [EntryRow] {
        guard let project = try self.findProject(change.project) else { return [] }
        var arguments: StatementArguments = [project]
        var condition = "project = ?"
        switch change.target {
        case .key(let key):
            condition += " AND key = ?"
            arguments += [key.text]
        case .prefix(let key):
            let range = KeyRange.condition("key", prefix: key.text)
            condition += " AND \(range.sql)"
            arguments += StatementArguments(range.arguments)
        }
        if let scope = change.scope {
            condition += " AND scope = ?"
            arguments += [scope.text]
        }
        let order = " ORDER BY key, id DESC"
        switch change.action {
        case .remove: return try self.entryRows(condition + " AND removed_at IS NULL" + order, arguments)
        case .pin: return try self.entryRows(condition + " AND removed_at IS NULL AND is_pinned = 0" + order, arguments)
        case .unpin:
            return try self.entryRows(condition + " AND removed_at IS NULL AND is_pinned = 1" + order, arguments)
        case .restore:
            var seen: Set<[[UInt8]]> = []
            return try self.entryRows(condition + " AND removed_at IS NOT NULL" + order, arguments).filter { row in
                guard try self.isComplete(row.id) else { return false }
                guard seen.insert([Array(row.scope.utf8), Array(row.key.utf8)]).inserted else { return false }
                return try self.isKeyFree(row)
            }
        }
    }

    func apply(_ action: EntryChange.Action, to row: EntryRow, at now: Timestamp, actor: String) throws {
        let detail = "by request"
        switch action {
        case .remove(let reason): try self.remove(row, reason, at: now, detail: detail, actor: actor)
        case .restore: try self.bringBack(row, at: now, expiryLimit: now, detail: detail, actor: actor)
        case .pin:
            try self.database.run("UPDATE entries SET is_pinned = 1 WHERE id = ?", [row.id])
            try self.audit(.pinned, row, at: now, actor: actor)
        case .unpin:
            try self.database.run("UPDATE entries SET is_pinned = 0 WHERE id = ?", [row.id])
            try self.audit(.unpinned, row, at: now, actor: actor)
        }
    }

    func add(_ counts: Traffic.Counts, to family: Traffic.Family) throws {
        try self.database.run(
            """
            INSERT INTO families (project, name, exact_hits, prefix_hits, misses, saves, known_saves, bytes_sent,
                bytes_received) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (project, name) DO UPDATE SET
                exact_hits = exact_hits + excluded.exact_hits,
                prefix_hits = prefix_hits + excluded.prefix_hits,
                misses = misses + excluded.misses,
                saves = saves + excluded.saves,
                known_saves = known_saves + excluded.known_saves,
                bytes_sent = bytes_sent + excluded.bytes_sent,
                bytes_received = bytes_received + excluded.bytes_received
            """,
            [
                try self.project(family.project), family.name, counts.exactHits, counts.prefixHits, counts.misses,
                counts.saves, counts.knownSaves, counts.bytesSent, counts.bytesReceived,
            ]
        )
    }
}

package import CacheModel
internal import GRDB
package import StorageInterface

/// Listings, figures and history.
extension SQLiteCatalog {
    package func storedBytes() async throws -> Int {
        try await self.read { database in try database.value(Int.self, "SELECT used_bytes FROM totals", []) ?? 0 }
    }

    package func unprotectedBytes() async throws -> Int {
        try await self.read { database in
            let ledger = Ledger(database: database)
            return try ledger.looseBytes() + ledger.bytesPinnedLoosely()
        }
    }

    package func entries(_ filter: EntryFilter) async throws -> EntryPage {
        let cursor = try filter.cursor.map(ListCursor.init(text:))
        return try await self.read { database in
            let ledger = Ledger(database: database)
            var conditions: [String] = []
            var arguments: StatementArguments = []
            if let name = filter.project {
                guard let project = try ledger.findProject(name) else { return EntryPage(entries: [], cursor: nil) }
                conditions.append("project = ?")
                arguments += [project]
            }
            if let scope = filter.scope {
                conditions.append("scope = ?")
                arguments += [scope.text]
            }
            if let scopes = filter.scopes {
                let listed = scopes.condition("scope")
                conditions.append(listed.sql)
                arguments += listed.arguments
            }
            let range = KeyRange.condition("key", prefix: filter.prefix)
            conditions.append(range.sql)
            arguments += StatementArguments(range.arguments)
            if !filter.includesRemoved { conditions.append("removed_at IS NULL") }
            if let cursor {
                conditions.append("key >= ? AND (key > ? OR id < ?)")
                arguments += [cursor.key, cursor.key, cursor.id]
            }
            let limit = max(1, filter.limit)
            arguments += [limit + 1]
            let condition = conditions.joined(separator: " AND ") + " ORDER BY key, id DESC LIMIT ?"
            let rows = try ledger.entryRows(condition, arguments)
            let page = rows.prefix(limit)
            let next = rows.count > limit ? page.last.map { ListCursor(id: $0.id, key: $0.key).text } : nil
            return EntryPage(entries: try page.map(ledger.entry), cursor: next)
        }
    }

    package func history(of key: CacheKey, in vantage: Vantage, limit: Int) async throws -> [HistoryEvent] {
        try await self.read { database in
            guard let project = try Ledger(database: database).findProject(vantage.project) else { return [] }
            let range = KeyRange.condition("key", prefix: key.text)
            let counting = vantage.condition("scope")
            let rows = try database.rows(
                """
                SELECT key, scope, kind, at, detail FROM events
                WHERE project = ? AND \(range.sql) AND \(counting.sql) ORDER BY id DESC LIMIT ?
                """,
                [project] + StatementArguments(range.arguments) + counting.arguments + [limit]
            )
            return try rows.map { row in
                HistoryEvent(
                    key: try CacheKey(row[0]),
                    scope: try Scope(row[1]),
                    kind: try Self.kind(row[2]),
                    at: Timestamp(milliseconds: row[3]),
                    detail: row[4]
                )
            }
        }
    }

    private static func kind(_ word: String) throws -> HistoryEvent.Kind {
        switch word {
        case "saved": return .saved
        case "restored": return .restoredByHand
        default:
            guard let reason = Removal.Reason(rawValue: word) else { throw Ledger.unknownWord(word) }
            return .removed(reason)
        }
    }

    package func relatives(ofTemplate template: String, in vantage: Vantage, limit: Int) async throws -> [Entry] {
        try await self.read { database in
            let ledger = Ledger(database: database)
            guard let project = try ledger.findProject(vantage.project) else { return [] }
            let counting = vantage.condition("scope")
            let condition = "project = ? AND template = ? AND \(counting.sql) ORDER BY id DESC LIMIT ?"
            let arguments: StatementArguments = [project, template] + counting.arguments + [limit]
            return try ledger.entries(ledger.entryRows(condition, arguments))
        }
    }

    package func allBlobs(after cursor: Digest?, limit: Int) async throws -> [BlobRecord] {
        try await self.read { database in
            let columns = "SELECT digest, encoding, size, stored_size FROM blobs WHERE state = 0"
            let rows =
                if let cursor {
                    try database.rows("\(columns) AND digest > ? ORDER BY digest LIMIT ?", [cursor.data, limit])
                } else {
                    try database.rows("\(columns) ORDER BY digest LIMIT ?", [limit])
                }
            return try rows.map(BlobRecord.init(row:))
        }
    }

    package func markMissing(_ digests: [Digest], at now: Timestamp) async throws -> [Entry] {
        try await self.write { database in
            let ledger = Ledger(database: database)
            var removed: [EntryRow] = []
            for digest in digests {
                let sql = "SELECT id FROM blobs WHERE digest = ? AND state = 0"
                guard let blob = try database.value(Int64.self, sql, [digest.data]) else { continue }
                removed += try ledger.markMissing(blob, at: now)
            }
            return try removed.compactMap { try ledger.entryRow($0.id) }.map(ledger.entry)
        }
    }
}

/// Where a page of entries ended: `<id>:<key>`.
private struct ListCursor {
    var id: Int64
    var key: String

    init(id: Int64, key: String) {
        self.id = id
        self.key = key
    }

    init(text: String) throws {
        guard let colon = text.firstIndex(of: ":"), let id = Int64(text[..<colon]) else {
            throw CacheError(.invalidRequest, "'\(text)' is not where a page ended; start from the first page")
        }
        self.init(id: id, key: String(text[text.index(after: colon)...]))
    }

    var text: String { "\(self.id):\(self.key)" }
}

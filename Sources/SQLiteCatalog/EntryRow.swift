internal import CacheModel
internal import Foundation
internal import GRDB

/// A row of `entries`.
struct EntryRow {
    static let columns = """
        id, project, scope, key, provenance, size, size_class, created_at, last_used_at, expires_at, is_pinned,
        removed_at, removal_reason, is_unprotected
        """

    var id: Int64
    var project: Int64
    var scope: String
    var key: String
    var provenance: String
    var size: Int
    var sizeClass: Int
    var createdAt: Int64
    var lastUsedAt: Int64
    var expiresAt: Int64?
    var isPinned: Bool
    var removedAt: Int64?
    var reason: String?
    var isUnprotected: Bool

    init(_ row: Row) {
        self.id = row[0]
        self.project = row[1]
        self.scope = row[2]
        self.key = row[3]
        self.provenance = row[4]
        self.size = row[5]
        self.sizeClass = row[6]
        self.createdAt = row[7]
        self.lastUsedAt = row[8]
        self.expiresAt = row[9]
        self.isPinned = row[10]
        self.removedAt = row[11]
        self.reason = row[12]
        self.isUnprotected = row[13]
    }
}

extension Ledger {
    /// The rows that `condition` selects, which may end in an order and a limit.
    func entryRows(_ condition: String, _ arguments: StatementArguments) throws -> [EntryRow] {
        try self.database.rows("SELECT \(EntryRow.columns) FROM entries WHERE \(condition)", arguments).map(
            EntryRow.init
        )
    }

    func entryRow(_ id: Int64) throws -> EntryRow? {
        try self.entryRows("id = ?", [id]).first
    }

    /// The whole entry of a row.
    func entry(_ row: EntryRow) throws -> Entry {
        let project = try self.database.value(String.self, "SELECT name FROM projects WHERE id = ?", [row.project])
        let layers = try self.database.rows(
            """
            SELECT e.path, e.anchor, l.tree, l.recipe, e.stamps, l.size, l.members, l.chunks
            FROM entry_layers e JOIN layers l ON l.id = e.layer WHERE e.entry = ? ORDER BY e.position
            """,
            [row.id]
        )
        return Entry(
            id: row.id,
            project: try ProjectName(project ?? ""),
            scope: try Scope(row.scope),
            key: try CacheKey(row.key),
            layers: try layers.map(Self.layer),
            provenance: try StoredProvenance.decode(row.provenance),
            createdAt: Timestamp(milliseconds: row.createdAt),
            lastUsedAt: Timestamp(milliseconds: row.lastUsedAt),
            expiresAt: row.expiresAt.map(Timestamp.init(milliseconds:)),
            isPinned: row.isPinned,
            removal: try Self.removal(at: row.removedAt, reason: row.reason)
        )
    }

    func entries(_ rows: [EntryRow]) throws -> [Entry] { try rows.map(self.entry) }

    /// A layer from the columns path, anchor, tree, recipe, stamps, size, members, chunks.
    static func layer(_ row: Row) throws -> Layer {
        guard let anchor = Anchor(rawValue: row[1]) else { throw self.unknownWord(row[1]) }
        return Layer(
            path: row[0],
            anchor: anchor,
            treeDigest: try Digest(column: row[2]),
            recipe: try Digest(column: row[3]),
            stamps: try Digest(column: row[4]),
            size: row[5],
            memberCount: row[6],
            chunkCount: row[7]
        )
    }

    private static func removal(at milliseconds: Int64?, reason: String?) throws -> Removal? {
        guard let milliseconds, let reason else { return nil }
        guard let known = Removal.Reason(rawValue: reason) else { throw self.unknownWord(reason) }
        return Removal(at: Timestamp(milliseconds: milliseconds), reason: known)
    }

    static func unknownWord(_ word: String) -> CacheError {
        CacheError(.corrupt, "the database holds the unknown word '\(word)'; run cachectl fsck")
    }
}

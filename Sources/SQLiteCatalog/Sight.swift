internal import CacheModel
internal import GRDB
internal import StorageInterface

/// What a vantage, and a session that has it, can see within one transaction.
///
/// With all scopes of a project each question is one look at `project_blobs`. With some scopes a blob is looked for in
/// the session's pins, then in the layers that list it, until one of them is used by an entry of a scope that counts.
/// What was found out about a layer is remembered: a layer has thousands of chunks.
struct Sight {
    private let ledger: Ledger
    private let project: Int64
    private let scopes: [Scope]?
    private let session: Int64?
    private var layers: [Int64: Bool] = [:]

    init(_ ledger: Ledger, _ vantage: Vantage, project: Int64, session: Int64?) {
        self.ledger = ledger
        self.project = project
        self.scopes = vantage.scopes
        self.session = session
    }

    private var database: Database { self.ledger.database }

    /// The row of a blob, if it may be seen.
    mutating func blob(_ digest: Digest) throws -> Int64? {
        guard let scopes = self.scopes else { return try self.ledger.visibleBlob(digest, in: self.project) }
        let present = "SELECT id FROM blobs WHERE digest = ? AND state = 0"
        guard let blob = try self.database.value(Int64.self, present, [digest.data]) else { return nil }
        let isSeen = try self.isPinned(blob) || self.isListed(blob, byEntriesIn: scopes) || self.isInLayer(blob)
        return isSeen ? blob : nil
    }

    /// The row of a blob that a commit needs.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` if it may not be seen.
    mutating func requireBlob(_ digest: Digest) throws -> Int64 {
        guard let blob = try self.blob(digest) else { throw Ledger.notVisible(digest, "blob") }
        return blob
    }

    /// Whether all blobs of a layer of the project may be seen.
    mutating func sees(layer: Int64) throws -> Bool {
        guard let scopes = self.scopes else { return true }
        if let known = self.layers[layer] { return known }
        let counting = scopes.condition("e.scope")
        let isSeen =
            try self.database.value(
                Bool.self,
                """
                SELECT EXISTS (SELECT 1 FROM session_layers WHERE session = ? AND layer = ?)
                OR EXISTS (SELECT 1 FROM entry_layers x CROSS JOIN entries e ON e.id = x.entry
                    WHERE x.layer = ? AND e.project = ? AND \(counting.sql))
                """,
                [self.session, layer, layer, self.project] + counting.arguments
            ) ?? false
        self.layers[layer] = isSeen
        return isSeen
    }

    private func isPinned(_ blob: Int64) throws -> Bool {
        guard let session = self.session else { return false }
        let sql = "SELECT 1 FROM session_blobs WHERE session = ? AND blob = ?"
        return try self.database.value(Int64.self, sql, [session, blob]) != nil
    }

    private func isListed(_ blob: Int64, byEntriesIn scopes: [Scope]) throws -> Bool {
        let counting = scopes.condition("e.scope")
        let sql = """
            SELECT 1 FROM entry_blobs x CROSS JOIN entries e ON e.id = x.entry
            WHERE x.blob = ? AND e.project = ? AND \(counting.sql) LIMIT 1
            """
        return try self.database.value(Int64.self, sql, [blob, self.project] + counting.arguments) != nil
    }

    private mutating func isInLayer(_ blob: Int64) throws -> Bool {
        // Most blobs are in a layer or two; those of a popular one end at the first that may be seen.
        let sql = "SELECT layer FROM layer_blobs WHERE blob = ?"
        let layers = try Int64.fetchCursor(self.database.cachedStatement(sql: sql), arguments: [blob])
        while let layer = try layers.next() {
            if try self.sees(layer: layer) { return true }
        }
        return false
    }
}

extension Ledger {
    /// The newest layer with a tree that a vantage may be given, and its row.
    func knownLayer(_ tree: Digest, in project: Int64, _ vantage: Vantage) throws -> (layer: Layer, id: Int64)? {
        guard let scopes = vantage.scopes else {
            return try self.database.rows(
                """
                SELECT path, anchor, tree, recipe, stamps, size, members, chunks, id FROM layers
                WHERE project = ? AND tree = ? AND missing = 0 ORDER BY id DESC LIMIT 1
                """,
                [project, tree.data]
            ).first.map { (try Self.layer($0), $0[8]) }
        }
        // What the first save of the layer said about it may come from a scope that does not count.
        let counting = scopes.condition("e.scope")
        return try self.database.rows(
            """
            SELECT x.path, x.anchor, l.tree, l.recipe, x.stamps, l.size, l.members, l.chunks, l.id
            FROM layers l CROSS JOIN entry_layers x ON x.layer = l.id CROSS JOIN entries e ON e.id = x.entry
            WHERE l.project = ? AND l.tree = ? AND l.missing = 0 AND e.removed_at IS NULL AND \(counting.sql)
            ORDER BY l.id DESC, x.entry DESC, x.position DESC LIMIT 1
            """,
            [project, tree.data] + counting.arguments
        ).first.map { (try Self.layer($0), $0[8]) }
    }
}

extension Vantage {
    /// A condition on a column with a scope, and its arguments.
    func condition(_ column: String) -> (sql: String, arguments: StatementArguments) {
        self.scopes?.condition(column) ?? ("TRUE", [])
    }
}

extension [Scope] {
    /// A condition on a column with a scope, and its arguments.
    func condition(_ column: String) -> (sql: String, arguments: StatementArguments) {
        let places = self.map { _ in "?" }.joined(separator: ", ")
        return ("\(column) IN (\(places))", StatementArguments(self.map(\.text)))
    }
}

internal import CacheModel
internal import GRDB
internal import StorageInterface

/// Finds the newest visible entry whose key starts with a text, at a cost that does not grow with their number.
///
/// The table `entry_prefixes` has a row for each visible entry and each *landmark* of its key: the empty text, and the
/// beginnings that end with one of its first separators. People's restore keys nearly always end at a separator
/// (`deps-`, `deps-main-`), so the newest match is the last row of one landmark. Other texts use the longest landmark in
/// them and pass over what does not match, or, where few keys match, the index of keys.
enum PrefixIndex {
    /// The separators that count: what begins after more of them is shared by few keys.
    private static let landmarkLimit = 8
    /// From how many matches on the landmark is the better way for a text that is none.
    private static let fewMatches = 1_000

    /// The hashes of the landmarks of `key`; a scope is part of them.
    static func landmarks(of key: String, scope: String) -> [Int64] {
        var hash = FNV1a()
        hash.add(scope.utf8)
        hash.add(0)
        var landmarks = [Int64(bitPattern: hash.value)]
        for byte in key.utf8 where landmarks.count <= self.landmarkLimit {
            hash.add(byte)
            if self.isSeparator(byte) { landmarks.append(Int64(bitPattern: hash.value)) }
        }
        return landmarks
    }

    /// Whether `text` is one of the landmarks of all keys that start with it.
    static func isLandmark(_ text: String) -> Bool {
        let count = text.utf8.count { self.isSeparator($0) }
        return text.isEmpty || count <= self.landmarkLimit && text.utf8.last.map(self.isSeparator) == true
    }

    private static func isSeparator(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...:
            false
        default: true
        }
    }

    /// The newest visible entry whose key starts with `prefix`.
    static func newest(
        _ prefix: String,
        scope: Scope,
        project: Int64,
        at now: Timestamp,
        in database: Database
    ) throws -> Int64? {
        let keys = KeyRange.condition("key", prefix: prefix)
        let place: StatementArguments = [project, scope.text]
        let range: StatementArguments = StatementArguments(keys.arguments)
        let end: StatementArguments = [now.milliseconds]
        if !self.isLandmark(prefix) {
            let count = try database.value(
                Int.self,
                """
                SELECT count(*) FROM (SELECT 1 FROM entries INDEXED BY entries_visible
                WHERE removed_at IS NULL AND project = ? AND scope = ? AND \(keys.sql) LIMIT \(self.fewMatches))
                """,
                place + range
            )
            if let count, count < self.fewMatches {
                return try database.value(
                    Int64.self,
                    """
                    SELECT max(id) FROM entries INDEXED BY entries_visible WHERE removed_at IS NULL
                    AND project = ? AND scope = ? AND \(keys.sql) AND \(self.isInTime)
                    """,
                    place + range + end
                )
            }
        }
        let list: StatementArguments = [project, self.landmarks(of: prefix, scope: scope.text).last, scope.text]
        return try database.value(
            Int64.self,
            """
            SELECT id FROM entry_prefixes CROSS JOIN entries ON id = entry
            WHERE entry_prefixes.project = ? AND prefix = ? AND scope = ? AND \(keys.sql) AND \(self.isInTime)
            ORDER BY entry DESC LIMIT 1
            """,
            list + range + end
        )
    }

    /// Whether an entry has not come to the end of its time.
    static let isInTime = "(expires_at IS NULL OR expires_at > ? OR is_pinned = 1)"

    /// Makes the index of a database that has none.
    static func create(in database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE entry_prefixes (
                    project INTEGER NOT NULL REFERENCES projects (id),
                    prefix INTEGER NOT NULL,
                    entry INTEGER NOT NULL REFERENCES entries (id),
                    PRIMARY KEY (project, prefix, entry)
                ) STRICT, WITHOUT ROWID
                """
        )
        let ledger = Ledger(database: database)
        let rows = try Row.fetchCursor(
            database,
            sql: "SELECT id, project, scope, key FROM entries WHERE removed_at IS NULL"
        )
        while let row = try rows.next() {
            try ledger.addPrefixes(of: row[0], project: row[1], scope: row[2], key: row[3])
        }
    }
}

extension Ledger {
    /// Lets an entry that becomes visible be found by prefixes.
    func addPrefixes(of entry: Int64, project: Int64, scope: String, key: String) throws {
        for landmark in PrefixIndex.landmarks(of: key, scope: scope) {
            // Two landmarks of one key may have the same hash.
            try self.database.run(
                "INSERT OR IGNORE INTO entry_prefixes (project, prefix, entry) VALUES (?, ?, ?)",
                [project, landmark, entry]
            )
        }
    }

    /// Forgets the prefixes of an entry that is no longer visible.
    func dropPrefixes(of row: EntryRow) throws {
        for landmark in PrefixIndex.landmarks(of: row.key, scope: row.scope) {
            try self.database.run(
                "DELETE FROM entry_prefixes WHERE project = ? AND prefix = ? AND entry = ?",
                [row.project, landmark, row.id]
            )
        }
    }
}

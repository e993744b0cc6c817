internal import CacheModel
internal import GRDB

/// The bytes that only entries of unprotected scopes hold, kept up to date without work for those who have none.
///
/// A holder of blobs is *loose* if only entries of unprotected scopes use it: such an entry itself, or a layer all of
/// whose entries are such. `blobs.loose` counts a blob's loose holders among its live ones, so a blob is held by
/// unprotected scopes alone if both counts are equal and not 0. `totals.loose_bytes` is the sum of these blobs.
enum UnprotectedBytes {
    static func create(in database: Database) throws {
        let scopes = Scope.unprotectedPrefixes.map { "scope GLOB '\($0)*'" }.joined(separator: " OR ")
        try database.execute(
            sql: """
                ALTER TABLE entries ADD COLUMN is_unprotected INTEGER NOT NULL DEFAULT 0
                    CHECK (is_unprotected IN (0, 1));
                ALTER TABLE layers ADD COLUMN unprotected INTEGER NOT NULL DEFAULT 0
                    CHECK (unprotected BETWEEN 0 AND entries);
                ALTER TABLE blobs ADD COLUMN loose INTEGER NOT NULL DEFAULT 0 CHECK (loose BETWEEN 0 AND live);
                ALTER TABLE sessions ADD COLUMN is_unprotected INTEGER NOT NULL DEFAULT 0
                    CHECK (is_unprotected IN (0, 1));
                ALTER TABLE totals ADD COLUMN loose_bytes INTEGER NOT NULL DEFAULT 0;
                ALTER TABLE totals ADD COLUMN unprotected_entries INTEGER NOT NULL DEFAULT 0;

                UPDATE entries SET is_unprotected = 1 WHERE \(scopes);
                CREATE INDEX entries_unprotected ON entries (last_used_at, id)
                    WHERE removed_at IS NULL AND is_pinned = 0 AND is_unprotected = 1;
                CREATE INDEX entries_project_unprotected ON entries (project, last_used_at, id)
                    WHERE removed_at IS NULL AND is_pinned = 0 AND is_unprotected = 1;
                CREATE INDEX entries_unprotected_removed ON entries (removed_at, id)
                    WHERE removed_at IS NOT NULL AND is_unprotected = 1;
                CREATE INDEX entries_project_unprotected_removed ON entries (project, removed_at, id)
                    WHERE removed_at IS NOT NULL AND is_unprotected = 1;

                UPDATE layers SET unprotected = (SELECT count(*) FROM entry_layers x JOIN entries e ON e.id = x.entry
                        WHERE x.layer = layers.id AND e.is_unprotected = 1)
                    WHERE id IN (SELECT layer FROM entry_layers x JOIN entries e ON e.id = x.entry
                        WHERE e.is_unprotected = 1);
                UPDATE blobs SET loose = \(self.looseHolders)
                    WHERE id IN (SELECT blob FROM layer_blobs x JOIN layers l ON l.id = x.layer WHERE l.unprotected > 0
                        UNION SELECT blob FROM entry_blobs x JOIN entries e ON e.id = x.entry
                        WHERE e.is_unprotected = 1);
                UPDATE totals SET
                    loose_bytes = (SELECT coalesce(sum(stored_size), 0) FROM blobs WHERE loose > 0 AND loose = live),
                    unprotected_entries = (SELECT count(*) FROM entries WHERE is_unprotected = 1);
                """
        )
    }

    /// What `blobs.loose` has to be.
    static let looseHolders = """
        (SELECT count(*) FROM layer_blobs x JOIN layers l ON l.id = x.layer
            WHERE x.blob = blobs.id AND l.entries > 0 AND l.unprotected = l.entries)
        + (SELECT count(*) FROM entry_blobs x JOIN entries e ON e.id = x.entry
            WHERE x.blob = blobs.id AND e.is_unprotected = 1)
        """
}

extension Ledger {
    /// The stored bytes that only entries of unprotected scopes hold.
    func looseBytes() throws -> Int {
        try self.database.value(Int.self, "SELECT loose_bytes FROM totals") ?? 0
    }

    /// The stored bytes that no entry needs and sessions of unprotected scopes pin.
    func bytesPinnedLoosely() throws -> Int {
        try self.database.value(
            Int.self,
            """
            SELECT coalesce(sum(stored_size), 0) FROM blobs WHERE live = 0 AND id IN (
                SELECT blob FROM session_blobs WHERE session IN (SELECT id FROM sessions WHERE is_unprotected = 1))
            """
        ) ?? 0
    }

    /// Adds to the number of entries of unprotected scopes, removed ones included.
    func shiftUnprotectedEntries(_ count: Int) throws {
        try self.database.run("UPDATE totals SET unprotected_entries = unprotected_entries + ?", [count])
    }

    /// Without such entries no blob has a loose holder, and nothing has to be done for others.
    private func hasUnprotectedEntries() throws -> Bool {
        try self.database.value(Bool.self, "SELECT unprotected_entries > 0 FROM totals") ?? false
    }

    /// Notes that `holder` is about to become live; before ``Holder``'s blobs are counted.
    func willSetLive(_ holder: Holder, isLoose: Bool) throws {
        if isLoose {
            try self.shiftLooseBytes(of: holder, where: "live = 0", by: "+")
        } else if try self.hasUnprotectedEntries() {
            try self.shiftLooseBytes(of: holder, where: "loose > 0 AND loose = live", by: "-")
        }
    }

    /// Notes that `holder` is about to become idle; before ``Holder``'s blobs are counted.
    func willSetIdle(_ holder: Holder, isLoose: Bool) throws {
        if isLoose {
            try self.shiftLooseBytes(of: holder, where: "live = 1", by: "-")
        } else if try self.hasUnprotectedEntries() {
            try self.shiftLooseBytes(of: holder, where: "loose > 0 AND loose = live - 1", by: "+")
        }
    }

    /// Notes that the last entry of a protected scope has left a layer that others still use.
    func loosen(_ layer: Int64) throws {
        let holder = Holder.layer(layer)
        try self.shiftLooseBytes(of: holder, where: "loose = live - 1", by: "+")
        try self.database.run("UPDATE blobs SET loose = loose + 1 WHERE id IN (\(holder.select))", [layer])
    }

    /// Notes that an entry of a protected scope begins to use a layer that only unprotected ones did.
    func fasten(_ layer: Int64) throws {
        let holder = Holder.layer(layer)
        try self.shiftLooseBytes(of: holder, where: "loose = live", by: "-")
        try self.database.run("UPDATE blobs SET loose = loose - 1 WHERE id IN (\(holder.select))", [layer])
    }

    private func shiftLooseBytes(of holder: Holder, where condition: String, by sign: String) throws {
        try self.database.run(
            """
            UPDATE totals SET loose_bytes = loose_bytes \(sign) (
                SELECT coalesce(sum(stored_size), 0) FROM blobs WHERE \(condition) AND id IN (\(holder.select)))
            """,
            [holder.id]
        )
    }
}

internal import CacheModel
internal import GRDB
internal import StorageInterface

/// Save sessions and the blobs they bring.
extension Ledger {
    /// The row of a session, created when it is first seen; its end moves forward.
    func session(_ session: SaveSession, in project: Int64) throws -> Int64 {
        try self.database.run(
            """
            INSERT INTO sessions (project, name, expires_at, is_unprotected) VALUES (?, ?, ?, ?)
            ON CONFLICT (project, name) DO UPDATE SET expires_at = max(expires_at, excluded.expires_at)
            """,
            [project, session.id, session.expiresAt.milliseconds, session.isUnprotected]
        )
        let id = try self.database.value(
            Int64.self,
            "SELECT id FROM sessions WHERE project = ? AND name = ?",
            [project, session.id]
        )
        guard let id else { throw Self.unknownWord(session.id) }
        return id
    }

    /// The row of a session, if it was seen and has not ended.
    func findSession(_ session: SaveSession) throws -> Int64? {
        guard let project = try self.findProject(session.project) else { return nil }
        let sql = "SELECT id FROM sessions WHERE project = ? AND name = ?"
        return try self.database.value(Int64.self, sql, [project, session.id])
    }

    /// Ends a session by its name; one that is not known has ended before.
    func end(_ session: SaveSession) throws {
        if let id = try self.findSession(session) { try self.end(id) }
    }

    /// Ends a session and its pins.
    func end(_ session: Int64) throws {
        try self.database.run(
            "UPDATE blobs SET pins = pins - 1 WHERE id IN (SELECT blob FROM session_blobs WHERE session = ?)",
            [session]
        )
        try self.database.run("DELETE FROM session_blobs WHERE session = ?", [session])
        try self.database.run("DELETE FROM session_layers WHERE session = ?", [session])
        try self.database.run("DELETE FROM sessions WHERE id = ?", [session])
    }

    func pin(_ blob: Int64, for session: Int64) throws {
        try self.database.run("INSERT OR IGNORE INTO session_blobs (session, blob) VALUES (?, ?)", [session, blob])
        if self.database.changesCount > 0 {
            try self.database.run("UPDATE blobs SET pins = pins + 1 WHERE id = ?", [blob])
        }
    }

    /// The row of a blob whose bytes are durable; a condemned or missing one comes back to life.
    ///
    /// - Returns: The row, and whether the blob had been missing.
    func record(_ blob: BlobRecord) throws -> (id: Int64, isHealed: Bool) {
        let known = try self.database.rows("SELECT id, state FROM blobs WHERE digest = ?", [blob.digest.data])
        guard let row = known.first else {
            try self.database.run(
                "INSERT INTO blobs (digest, encoding, size, stored_size) VALUES (?, ?, ?, ?)",
                [blob.digest.data, Int(blob.encoding.rawValue), blob.size, blob.storedSize]
            )
            let id = self.database.lastInsertedRowID
            try self.database.run("UPDATE totals SET used_bytes = used_bytes + ?", [blob.storedSize])
            return (id, false)
        }
        let id: Int64 = row[0]
        let state: Int = row[1]
        guard state != BlobState.present.rawValue else { return (id, false) }
        try self.setStoredSize(blob.storedSize, of: id)
        try self.database.run(
            "UPDATE blobs SET state = 0, generation = generation + 1, encoding = ?, size = ? WHERE id = ?",
            [Int(blob.encoding.rawValue), blob.size, id]
        )
        return (id, state == BlobState.missing.rawValue)
    }

    /// Brings the entries back that were only invisible because `blob` was missing.
    func heal(_ blob: Int64) throws {
        try self.database.run(
            "UPDATE layers SET missing = missing - 1 WHERE id IN (SELECT layer FROM layer_blobs WHERE blob = ?)",
            [blob]
        )
        for row in try self.entryRows(Self.needing + " AND removal_reason = 'damaged' ORDER BY id DESC", [blob])
        where try self.isKeyFree(row) && self.isComplete(row.id) {
            let never = Timestamp(milliseconds: .min)
            try self.bringBack(row, at: .current, expiryLimit: never, detail: "its bytes were uploaded again")
        }
    }

    /// Marks a blob as missing and hides the entries that need it.
    func markMissing(_ blob: Int64, at now: Timestamp) throws -> [EntryRow] {
        try self.setStoredSize(0, of: blob)
        try self.database.run("UPDATE blobs SET state = 2 WHERE id = ?", [blob])
        try self.database.run(
            "UPDATE layers SET missing = missing + 1 WHERE id IN (SELECT layer FROM layer_blobs WHERE blob = ?)",
            [blob]
        )
        let rows = try self.entryRows(Self.needing + " AND removed_at IS NULL ORDER BY id", [blob])
        for row in rows {
            try self.remove(row, .damaged, at: now, detail: "bytes it needs are missing or damaged")
        }
        return rows
    }

    private static let needing = """
        id IN (SELECT e.entry FROM layer_blobs l JOIN entry_layers e ON e.layer = l.layer WHERE l.blob = ?1
            UNION SELECT entry FROM entry_blobs WHERE blob = ?1)
        """
}

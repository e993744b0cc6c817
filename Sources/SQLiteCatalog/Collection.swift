package import CacheModel
internal import GRDB
package import StorageInterface

/// Condemning and forgetting blobs.
extension SQLiteCatalog {
    package func condemn(limit: Int, except leased: Set<Digest>, at now: Timestamp) async throws -> [CondemnedBlob] {
        try await self.write { database in
            let ledger = Ledger(database: database)
            try ledger.endSessions(at: now)
            try ledger.releaseLayers(limit: limit, except: leased)
            let known = try ledger.condemned(limit: limit)
            let room = limit - known.count
            guard room > 0 else { return known }
            let unused = "SELECT id FROM blobs WHERE refs = 0 AND pins = 0 AND state <> 1 ORDER BY id LIMIT ?"
            for blob in try database.values(Int64.self, unused, [room]) {
                try database.run("UPDATE blobs SET state = 1, generation = generation + 1 WHERE id = ?", [blob])
            }
            return try ledger.condemned(limit: limit)
        }
    }

    package func forget(
        _ blobs: [CondemnedBlob],
        deleting delete: @Sendable ([Digest]) async throws -> Void
    ) async throws -> Int {
        try await self.gate.with(Set(blobs.map(\.digest))) {
            // The gate keeps these as they are: nothing else revives a condemned blob.
            let condemned = try await self.read { database in
                try blobs.filter { try Self.isStillCondemned($0, in: database) }
            }
            guard !condemned.isEmpty else { return 0 }
            try await delete(condemned.map(\.digest))
            return try await self.write { database in
                var freed = 0
                for blob in condemned where try Self.isStillCondemned(blob, in: database) {
                    let sql = "SELECT stored_size FROM blobs WHERE digest = ?"
                    let size = try database.value(Int.self, sql, [blob.digest.data]) ?? 0
                    try database.run("DELETE FROM blobs WHERE digest = ?", [blob.digest.data])
                    try database.run("UPDATE totals SET used_bytes = used_bytes - ?", [size])
                    freed += size
                }
                return freed
            }
        }
    }

    private static func isStillCondemned(_ blob: CondemnedBlob, in database: Database) throws -> Bool {
        try database.value(
            Int64.self,
            "SELECT id FROM blobs WHERE digest = ? AND generation = ? AND state = 1",
            [blob.digest.data, blob.generation]
        ) != nil
    }
}

extension Ledger {
    /// Ends the sessions whose time is over.
    func endSessions(at now: Timestamp) throws {
        let ended = "SELECT id FROM sessions WHERE expires_at <= ?"
        for session in try self.database.values(Int64.self, ended, [now.milliseconds]) { try self.end(session) }
    }

    /// Releases layers that no entry uses, no session pins and nobody reads.
    func releaseLayers(limit: Int, except leased: Set<Digest>) throws {
        let rows = try self.database.rows(
            """
            SELECT id, project, recipe FROM layers WHERE entries = 0
            AND NOT EXISTS (SELECT 1 FROM session_layers WHERE layer = layers.id) ORDER BY id LIMIT ?
            """,
            [limit.addingReportingOverflow(leased.count).overflow ? limit : limit + leased.count]
        )
        for row in rows where try !leased.contains(Digest(column: row[2])) {
            let layer: Int64 = row[0]
            try self.dropReferences(of: .layer(layer), in: row[1])
            try self.database.run("DELETE FROM layer_blobs WHERE layer = ?", [layer])
            try self.database.run("DELETE FROM layers WHERE id = ?", [layer])
        }
    }

    /// Blobs whose bytes are about to be deleted.
    func condemned(limit: Int) throws -> [CondemnedBlob] {
        try self.database.rows(
            "SELECT digest, generation, stored_size FROM blobs WHERE state = 1 ORDER BY id LIMIT ?",
            [limit]
        ).map { CondemnedBlob(digest: try Digest(column: $0[0]), generation: $0[1], storedSize: $0[2]) }
    }
}

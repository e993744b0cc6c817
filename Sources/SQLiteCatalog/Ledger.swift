internal import CacheModel
internal import GRDB
internal import StorageInterface

/// The steps that transactions are made of, on the connection of one transaction.
///
/// A blob counts its holders twice: `refs` are the layers and entries that list it, `live` those among them that are
/// not waiting to be released. Bytes with `live` above zero stay when everything collectable is collected.
struct Ledger {
    /// Where a set of blobs is listed.
    enum Holder {
        case layer(Int64)
        case entry(Int64)

        var select: String {
            switch self {
            case .layer: "SELECT blob FROM layer_blobs WHERE layer = ?"
            case .entry: "SELECT blob FROM entry_blobs WHERE entry = ?"
            }
        }

        var id: Int64 {
            switch self {
            case .layer(let id), .entry(let id): id
            }
        }
    }

    let database: Database

    /// The row of a project, created when it is first seen.
    func project(_ name: ProjectName) throws -> Int64 {
        if let id = try self.findProject(name) { return id }
        try self.database.run("INSERT INTO projects (name) VALUES (?)", ["\(name)"])
        return self.database.lastInsertedRowID
    }

    func findProject(_ name: ProjectName) throws -> Int64? {
        try self.database.value(Int64.self, "SELECT id FROM projects WHERE name = ?", ["\(name)"])
    }

    /// Notes that `holder` lists its blobs.
    func addReferences(of holder: Holder, in project: Int64) throws {
        try self.database.run("UPDATE blobs SET refs = refs + 1 WHERE id IN (\(holder.select))", [holder.id])
        try self.database.run(
            """
            INSERT INTO project_blobs (project, blob, refs, live) SELECT ?, blob, 1, 0 FROM (\(holder.select))
            WHERE TRUE ON CONFLICT (project, blob) DO UPDATE SET refs = refs + 1
            """,
            [project, holder.id]
        )
    }

    /// Notes that `holder` no longer lists its blobs; it must not be live.
    func dropReferences(of holder: Holder, in project: Int64) throws {
        try self.database.run("UPDATE blobs SET refs = refs - 1 WHERE id IN (\(holder.select))", [holder.id])
        try self.database.run(
            "DELETE FROM project_blobs WHERE project = ? AND refs = 1 AND blob IN (\(holder.select))",
            [project, holder.id]
        )
        try self.database.run(
            "UPDATE project_blobs SET refs = refs - 1 WHERE project = ? AND refs > 1 AND blob IN (\(holder.select))",
            [project, holder.id]
        )
    }

    /// Counts the blobs of `holder` as bytes that stay.
    ///
    /// `isLoose` says that only entries of unprotected scopes use the holder.
    func setLive(_ holder: Holder, in project: Int64, isLoose: Bool) throws {
        try self.shiftLiveBytes(of: holder, in: project, whereLive: 0, by: "+")
        try self.willSetLive(holder, isLoose: isLoose)
        let counts = isLoose ? "live = live + 1, loose = loose + 1" : "live = live + 1"
        try self.database.run("UPDATE blobs SET \(counts) WHERE id IN (\(holder.select))", [holder.id])
        try self.database.run(
            "UPDATE project_blobs SET live = live + 1 WHERE project = ? AND blob IN (\(holder.select))",
            [project, holder.id]
        )
    }

    /// Counts the blobs of `holder` as bytes that can be collected.
    ///
    /// `isLoose` says that only entries of unprotected scopes used the holder.
    func setIdle(_ holder: Holder, in project: Int64, isLoose: Bool) throws {
        try self.shiftLiveBytes(of: holder, in: project, whereLive: 1, by: "-")
        try self.willSetIdle(holder, isLoose: isLoose)
        let counts = isLoose ? "live = live - 1, loose = loose - 1" : "live = live - 1"
        try self.database.run("UPDATE blobs SET \(counts) WHERE id IN (\(holder.select))", [holder.id])
        try self.database.run(
            "UPDATE project_blobs SET live = live - 1 WHERE project = ? AND blob IN (\(holder.select))",
            [project, holder.id]
        )
    }

    private func shiftLiveBytes(of holder: Holder, in project: Int64, whereLive live: Int, by sign: String) throws {
        try self.database.run(
            """
            UPDATE totals SET live_bytes = live_bytes \(sign) (
                SELECT coalesce(sum(stored_size), 0) FROM blobs WHERE live = ? AND id IN (\(holder.select)))
            """,
            [live, holder.id]
        )
        try self.database.run(
            """
            UPDATE projects SET live_bytes = live_bytes \(sign) (
                SELECT coalesce(sum(b.stored_size), 0)
                FROM project_blobs p JOIN blobs b ON b.id = p.blob
                WHERE p.project = ? AND p.live = ? AND p.blob IN (\(holder.select)))
            WHERE id = ?
            """,
            [project, live, holder.id, project]
        )
    }

    /// Adds to the bytes of visible entries, by size class.
    func shiftEntryBytes(_ bytes: Int, sizeClass: Int, in project: Int64) throws {
        let column = sizeClass == 0 ? "small_bytes" : "large_bytes"
        try self.database.run("UPDATE totals SET \(column) = \(column) + ?", [bytes])
        try self.database.run("UPDATE projects SET \(column) = \(column) + ? WHERE id = ?", [bytes, project])
    }

    /// Changes the size of a blob in its stored form, and every sum that it is part of.
    func setStoredSize(_ size: Int, of blob: Int64) throws {
        guard let old = try self.database.value(Int.self, "SELECT stored_size FROM blobs WHERE id = ?", [blob]),
            old != size
        else { return }
        try self.database.run("UPDATE totals SET used_bytes = used_bytes + ?", [size - old])
        try self.database.run(
            "UPDATE totals SET live_bytes = live_bytes + ? WHERE (SELECT live FROM blobs WHERE id = ?) > 0",
            [size - old, blob]
        )
        try self.database.run(
            """
            UPDATE projects SET live_bytes = live_bytes + ?
            WHERE id IN (SELECT project FROM project_blobs WHERE blob = ? AND live > 0)
            """,
            [size - old, blob]
        )
        try self.database.run(
            """
            UPDATE totals SET loose_bytes = loose_bytes + ?
            WHERE (SELECT loose > 0 AND loose = live FROM blobs WHERE id = ?)
            """,
            [size - old, blob]
        )
        try self.database.run("UPDATE blobs SET stored_size = ? WHERE id = ?", [size, blob])
    }

    /// The row of a blob that the project may know of, whichever scope has it.
    func visibleBlob(_ digest: Digest, in project: Int64) throws -> Int64? {
        try self.database.value(
            Int64.self,
            """
            SELECT id FROM blobs WHERE digest = ? AND state = 0 AND (
                EXISTS (SELECT 1 FROM project_blobs WHERE project = ? AND blob = blobs.id)
                OR EXISTS (
                    SELECT 1 FROM session_blobs JOIN sessions ON sessions.id = session_blobs.session
                    WHERE session_blobs.blob = blobs.id AND sessions.project = ?))
            """,
            [digest.data, project, project]
        )
    }

    /// Writes a line of history and keeps their number bounded.
    func addEvent(_ kind: String, entry: EntryRow, at now: Timestamp, detail: String) throws {
        try self.database.run(
            "INSERT INTO events (project, key, scope, kind, at, detail) VALUES (?, ?, ?, ?, ?, ?)",
            [entry.project, entry.key, entry.scope, kind, now.milliseconds, detail]
        )
        try self.database.run(
            "DELETE FROM events WHERE id <= ?",
            [self.database.lastInsertedRowID - Int64(SQLiteCatalog.eventLimit)]
        )
    }
}

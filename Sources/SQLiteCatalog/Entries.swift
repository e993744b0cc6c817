internal import CacheModel
internal import GRDB
internal import StorageInterface

/// What happens to entries: they come, go, come back, and are forgotten.
extension Ledger {
    /// Makes a visible entry invisible; it can be brought back until it is forgotten.
    func remove(_ row: EntryRow, _ reason: Removal.Reason, at now: Timestamp, detail: String) throws {
        try self.database.run(
            "UPDATE entries SET removed_at = ?, removal_reason = ? WHERE id = ?",
            [now.milliseconds, reason.rawValue, row.id]
        )
        try self.dropPrefixes(of: row)
        try self.shiftEntryBytes(-row.size, sizeClass: row.sizeClass, in: row.project)
        try self.database.run(
            """
            INSERT INTO removals (project, reason, count) VALUES (?, ?, 1)
            ON CONFLICT (project, reason) DO UPDATE SET count = count + 1
            """,
            [row.project, reason.rawValue]
        )
        try self.addEvent(reason.rawValue, entry: row, at: now, detail: detail)
    }

    /// Makes a removed entry visible again, without the end of its time if that came before `expiryLimit`.
    func bringBack(_ row: EntryRow, at now: Timestamp, expiryLimit: Timestamp, detail: String) throws {
        try self.database.run(
            """
            UPDATE entries SET removed_at = NULL, removal_reason = NULL,
                expires_at = CASE WHEN expires_at > ? THEN expires_at END WHERE id = ?
            """,
            [expiryLimit.milliseconds, row.id]
        )
        try self.addPrefixes(of: row.id, project: row.project, scope: row.scope, key: row.key)
        try self.shiftEntryBytes(row.size, sizeClass: row.sizeClass, in: row.project)
        try self.database.run(
            "UPDATE removals SET count = count - 1 WHERE project = ? AND reason = ?",
            [row.project, row.reason]
        )
        try self.addEvent("restored", entry: row, at: now, detail: detail)
    }

    /// Whether nothing that a removed entry needs is missing.
    func isComplete(_ entry: Int64) throws -> Bool {
        try self.database.value(
            Bool.self,
            """
            SELECT NOT EXISTS (
                SELECT 1 FROM entry_layers e JOIN layers l ON l.id = e.layer WHERE e.entry = ?1 AND l.missing > 0)
            AND NOT EXISTS (
                SELECT 1 FROM entry_blobs e JOIN blobs b ON b.id = e.blob WHERE e.entry = ?1 AND b.state = 2)
            """,
            [entry]
        ) ?? false
    }

    /// Whether no visible entry has the key of `row`.
    func isKeyFree(_ row: EntryRow) throws -> Bool {
        try self.database.value(
            Int64.self,
            "SELECT id FROM entries WHERE project = ? AND scope = ? AND key = ? AND removed_at IS NULL",
            [row.project, row.scope, row.key]
        ) == nil
    }

    /// Deletes the rows of a removed entry; its layers stay until they are released.
    func forget(_ row: EntryRow) throws {
        let layers = try self.database.values(Int64.self, "SELECT layer FROM entry_layers WHERE entry = ?", [row.id])
        try self.database.run("DELETE FROM entry_layers WHERE entry = ?", [row.id])
        for layer in layers { try self.leave(layer, row) }
        try self.setIdle(.entry(row.id), in: row.project, isLoose: row.isUnprotected)
        if row.isUnprotected { try self.shiftUnprotectedEntries(-1) }
        try self.dropReferences(of: .entry(row.id), in: row.project)
        try self.database.run("DELETE FROM entry_blobs WHERE entry = ?", [row.id])
        try self.database.run("DELETE FROM entries WHERE id = ?", [row.id])
    }

    /// Notes that an entry no longer uses a layer.
    private func leave(_ layer: Int64, _ entry: EntryRow) throws {
        try self.database.run(
            "UPDATE layers SET unprotected = unprotected - ?, entries = entries - 1 WHERE id = ?",
            [entry.isUnprotected ? 1 : 0, layer]
        )
        let sql = "SELECT entries, unprotected FROM layers WHERE id = ?"
        for row in try self.database.rows(sql, [layer]) {
            let (entries, unprotected): (Int, Int) = (row[0], row[1])
            if entries == 0 {
                try self.setIdle(.layer(layer), in: entry.project, isLoose: entry.isUnprotected)
            } else if entries == unprotected, !entry.isUnprotected {
                try self.loosen(layer)
            }
        }
    }

    /// The entry that has a key, once one whose time is over has made room.
    func holder(of commit: Commit, in project: Int64) throws -> EntryRow? {
        let rows = try self.entryRows(
            "project = ? AND scope = ? AND key = ? AND removed_at IS NULL",
            [project, commit.scope.text, commit.key.text]
        )
        guard let row = rows.first else { return nil }
        guard !row.isPinned, let end = row.expiresAt, end <= commit.createdAt.milliseconds else { return row }
        try self.remove(row, .expired, at: commit.createdAt, detail: "its time to live ended")
        return nil
    }

    /// Writes a new entry with all that it refers to.
    func insert(_ commit: Commit, in project: Int64) throws -> EntryRow {
        var sight = Sight(
            self,
            commit.vantage,
            project: project,
            session: try commit.session.flatMap { try self.findSession($0) }
        )
        let isUnprotected = commit.scope.isUnprotected
        let layers = try commit.layers.map {
            try self.layer($0, in: project, isUnprotected: isUnprotected, seenBy: &sight)
        }
        let size = commit.layers.reduce(0) { $0 + $1.layer.size }
        let limit = try self.database.value(Int.self, "SELECT small_limit FROM totals") ?? 0
        let sizeClass = size < limit ? EvictionPolicy.SizeClass.small.rawValue : EvictionPolicy.SizeClass.large.rawValue
        try self.database.run(
            """
            INSERT INTO entries (project, scope, key, template, provenance, record, size, size_class, created_at,
                last_used_at, expires_at, is_unprotected) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                project, commit.scope.text, commit.key.text, commit.provenance.template,
                try StoredProvenance.encode(commit.provenance), commit.record.data, size, sizeClass,
                commit.createdAt.milliseconds, commit.createdAt.milliseconds, commit.expiresAt?.milliseconds,
                isUnprotected,
            ]
        )
        let id = self.database.lastInsertedRowID
        for (position, (committed, layer)) in zip(commit.layers, layers).enumerated() {
            try self.database.run(
                "INSERT INTO entry_layers (entry, position, layer, path, anchor, stamps) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    id, position, layer, committed.layer.path, committed.layer.anchor.rawValue,
                    committed.layer.stamps.data,
                ]
            )
        }
        for digest in [commit.record] + commit.layers.map(\.layer.stamps) {
            let blob = try sight.requireBlob(digest)
            try self.database.run("INSERT OR IGNORE INTO entry_blobs (entry, blob) VALUES (?, ?)", [id, blob])
        }
        try self.addReferences(of: .entry(id), in: project)
        if isUnprotected { try self.shiftUnprotectedEntries(1) }
        try self.setLive(.entry(id), in: project, isLoose: isUnprotected)
        try self.addPrefixes(of: id, project: project, scope: commit.scope.text, key: commit.key.text)
        try self.shiftEntryBytes(size, sizeClass: sizeClass, in: project)
        guard let row = try self.entryRow(id) else { throw Self.unknownWord("entry \(id)") }
        return row
    }

    /// The row of a layer that one more entry uses, created if the project does not have it.
    ///
    /// A layer that others have saved is taken over only by those who could have saved it themselves: a recipe fixes
    /// its chunks, so it is the same layer, but naming it must not give anybody chunks that are not theirs to see.
    private func layer(
        _ committed: CommittedLayer,
        in project: Int64,
        isUnprotected: Bool,
        seenBy sight: inout Sight
    ) throws -> Int64 {
        let layer = committed.layer
        let known = try self.database.rows(
            "SELECT id, entries, missing, unprotected FROM layers WHERE project = ? AND recipe = ?",
            [project, layer.recipe.data]
        )
        let id: Int64
        if let row = known.first {
            id = row[0]
            guard row[2] == 0 else { throw Self.notVisible(layer.recipe, "a blob of the layer with recipe") }
            if try !sight.sees(layer: id) {
                for digest in [layer.recipe] + committed.blobs { _ = try sight.requireBlob(digest) }
            }
            let (entries, unprotected): (Int, Int) = (row[1], row[3])
            if entries == 0 {
                try self.setLive(.layer(id), in: project, isLoose: isUnprotected)
            } else if entries == unprotected, !isUnprotected {
                try self.fasten(id)
            }
        } else {
            id = try self.insert(committed, in: project, isUnprotected: isUnprotected, seenBy: &sight)
        }
        try self.database.run(
            "UPDATE layers SET entries = entries + 1, unprotected = unprotected + ? WHERE id = ?",
            [isUnprotected ? 1 : 0, id]
        )
        return id
    }

    private func insert(
        _ committed: CommittedLayer,
        in project: Int64,
        isUnprotected: Bool,
        seenBy sight: inout Sight
    ) throws -> Int64 {
        let layer = committed.layer
        try self.database.run(
            """
            INSERT INTO layers (project, recipe, tree, stamps, path, anchor, size, members, chunks)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                project, layer.recipe.data, layer.treeDigest.data, layer.stamps.data, layer.path, layer.anchor.rawValue,
                layer.size, layer.memberCount, layer.chunkCount,
            ]
        )
        let id = self.database.lastInsertedRowID
        for digest in [layer.recipe] + committed.blobs {
            let blob = try sight.requireBlob(digest)
            try self.database.run("INSERT OR IGNORE INTO layer_blobs (layer, blob) VALUES (?, ?)", [id, blob])
        }
        try self.addReferences(of: .layer(id), in: project)
        try self.setLive(.layer(id), in: project, isLoose: isUnprotected)
        return id
    }

    static func notVisible(_ digest: Digest, _ what: String) -> CacheError {
        CacheError(
            .invalidRequest,
            "\(what) \(digest) is not in the store for this project; upload it and commit again"
        )
    }
}

package import CacheModel
internal import GRDB
package import StorageInterface

/// Resolving, saving and committing.
extension SQLiteCatalog {
    package func resolve(_ query: KeyQuery, at now: Timestamp) async throws -> Resolution? {
        try await self.read { database in
            let ledger = Ledger(database: database)
            guard let project = try ledger.findProject(query.project) else { return nil }
            for (index, pattern) in query.patterns.enumerated() {
                for scope in query.scopes {
                    guard let id = try Self.newest(pattern, scope: scope, project: project, at: now, in: database),
                        let row = try ledger.entryRow(id)
                    else { continue }
                    let isExact = row.key.utf8.elementsEqual(pattern.key.text.utf8)
                    return Resolution(entry: try ledger.entry(row), patternIndex: index, isExact: isExact)
                }
            }
            return nil
        }
    }

    private static func newest(
        _ pattern: KeyPattern,
        scope: Scope,
        project: Int64,
        at now: Timestamp,
        in database: Database
    ) throws -> Int64? {
        switch pattern.match {
        case .exact:
            try database.value(
                Int64.self,
                """
                SELECT max(id) FROM entries INDEXED BY entries_visible WHERE removed_at IS NULL
                AND project = ? AND scope = ? AND key = ? AND \(PrefixIndex.isInTime)
                """,
                [project, scope.text, pattern.key.text, now.milliseconds]
            )
        case .prefix:
            try PrefixIndex.newest(pattern.key.text, scope: scope, project: project, at: now, in: database)
        }
    }

    package func entry(_ id: Int64) async throws -> Entry? {
        try await self.read { database in
            let ledger = Ledger(database: database)
            guard let row = try ledger.entryRow(id), row.removedAt == nil else { return nil }
            return try ledger.entry(row)
        }
    }

    package func knownLayer(_ tree: Digest, for session: SaveSession) async throws -> Layer? {
        try await self.write { database in
            let ledger = Ledger(database: database)
            let project = try ledger.project(session.project)
            guard let known = try ledger.knownLayer(tree, in: project, session.vantage) else { return nil }
            let id = try ledger.session(session, in: project)
            try database.run("INSERT OR IGNORE INTO session_layers (session, layer) VALUES (?, ?)", [id, known.id])
            return known.layer
        }
    }

    package func pin(_ digests: [Digest], for session: SaveSession) async throws -> [Digest] {
        try await self.write { database in
            let ledger = Ledger(database: database)
            let project = try ledger.project(session.project)
            let id = try ledger.session(session, in: project)
            var sight = Sight(ledger, session.vantage, project: project, session: id)
            var missing: [Digest] = []
            for digest in digests {
                if let blob = try sight.blob(digest) {
                    try ledger.pin(blob, for: id)
                } else {
                    missing.append(digest)
                }
            }
            return missing
        }
    }

    package func recordStored(_ blobs: [BlobRecord], for session: SaveSession) async throws {
        try await self.gate.with(Set(blobs.map(\.digest))) {
            try await self.write { database in
                let ledger = Ledger(database: database)
                let id = try ledger.session(session, in: ledger.project(session.project))
                for blob in blobs {
                    let recorded = try ledger.record(blob)
                    try ledger.pin(recorded.id, for: id)
                    if recorded.isHealed { try ledger.heal(recorded.id) }
                }
            }
        }
    }

    package func blobs(
        _ digests: [Digest],
        in vantage: Vantage,
        session: SaveSession?
    ) async throws -> [Digest: BlobRecord] {
        try await self.read { database in
            let ledger = Ledger(database: database)
            guard let project = try ledger.findProject(vantage.project) else { return [:] }
            let pinning = try vantage.scopes.flatMap { _ in try session.flatMap { try ledger.findSession($0) } }
            var sight = Sight(ledger, vantage, project: project, session: pinning)
            var found: [Digest: BlobRecord] = [:]
            for digest in digests {
                guard let blob = try sight.blob(digest) else { continue }
                let sql = "SELECT digest, encoding, size, stored_size FROM blobs WHERE id = ?"
                found[digest] = try database.rows(sql, [blob]).first.map(BlobRecord.init(row:))
            }
            return found
        }
    }

    package func end(_ session: SaveSession) async throws {
        try await self.write { database in
            try Ledger(database: database).end(session)
        }
    }

    package func commit(_ commit: Commit) async throws -> CommitOutcome {
        try await self.write { database in
            let ledger = Ledger(database: database)
            let project = try ledger.project(commit.project)
            let outcome = try Self.commit(commit, in: project, ledger)
            if let session = commit.session { try ledger.end(session) }
            return outcome
        }
    }

    private static func commit(_ commit: Commit, in project: Int64, _ ledger: Ledger) throws -> CommitOutcome {
        if let row = try ledger.holder(of: commit, in: project) {
            switch commit.onConflict {
            case .keep: return .exists(try ledger.entry(row))
            case .replace: try ledger.remove(row, .replaced, at: commit.createdAt, detail: "a save replaced it")
            }
        }
        let row = try ledger.insert(commit, in: project)
        try ledger.addEvent("saved", entry: row, at: commit.createdAt, detail: "")
        return .committed(try ledger.entry(row))
    }
}

extension BlobRecord {
    /// From the columns digest, encoding, size, stored_size.
    init(row: Row) throws {
        let number: UInt8 = row[1]
        guard let encoding = BlobEncoding(rawValue: number) else { throw Ledger.unknownWord("encoding \(number)") }
        self.init(digest: try Digest(column: row[0]), encoding: encoding, size: row[2], storedSize: row[3])
    }
}

package import CacheModel
internal import GRDB
package import StorageInterface

/// Statistics and self-checks.
extension SQLiteCatalog {
    package func statistics(of project: ProjectName?) async throws -> Statistics {
        try await self.read { database in
            let ledger = Ledger(database: database)
            guard let project else { return try ledger.statistics(of: nil) }
            guard let id = try ledger.findProject(project) else { return Statistics() }
            return try ledger.statistics(of: id)
        }
    }

    package func entryCount(of project: ProjectName) async throws -> Int {
        try await self.read { database in
            try database.value(Int.self, "SELECT entries FROM projects WHERE name = ?", ["\(project)"]) ?? 0
        }
    }

    /// Checks the file's structure, the references between rows, and every sum and count that is kept.
    package func check() async throws -> [String] {
        try await self.read { database in
            var problems: [String] = []
            for line in try database.values(String.self, "PRAGMA integrity_check") where line != "ok" {
                problems.append("database: \(line)")
            }
            for row in try database.rows("PRAGMA foreign_key_check") {
                problems.append("database: a row of \(row[0] as String) refers to a row that is not there")
            }
            for check in Self.sums {
                for row in try database.rows(check.sql) {
                    problems.append(
                        "I7: \(check.name): \(row[0] as Int64) is kept, \(row[1] as Int64) is right (row \(row[2] as Int64))"
                    )
                }
            }
            for invariant in Self.invariants {
                for row in try database.rows(invariant.sql) {
                    problems.append("\(invariant.name) (row \(row[0] as Int64))")
                }
            }
            return problems
        }
    }

    /// Each selects the rows that break an invariant.
    private static let invariants: [(name: String, sql: String)] = [
        (
            "I1: a visible entry needs a blob that is not there",
            """
            SELECT id FROM entries WHERE removed_at IS NULL AND (
                EXISTS (SELECT 1 FROM entry_layers e JOIN layer_blobs l ON l.layer = e.layer
                    JOIN blobs b ON b.id = l.blob WHERE e.entry = entries.id AND b.state <> 0)
                OR EXISTS (SELECT 1 FROM entry_blobs x JOIN blobs b ON b.id = x.blob
                    WHERE x.entry = entries.id AND b.state <> 0))
            """
        ),
        (
            "I1: a visible entry has no layers",
            """
            SELECT id FROM entries WHERE removed_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM entry_layers WHERE entry = entries.id)
            """
        ),
        (
            "I3: a blob is condemned although it is needed",
            "SELECT id FROM blobs WHERE state = 1 AND (refs > 0 OR pins > 0)"
        ),
        (
            "I8: the record that a rebuild needs is not among an entry's blobs",
            """
            SELECT id FROM entries WHERE removed_at IS NULL AND NOT EXISTS (
                SELECT 1 FROM entry_blobs x JOIN blobs b ON b.id = x.blob
                WHERE x.entry = entries.id AND b.digest = entries.record)
            """
        ),
    ]

    /// Each selects the rows that are wrong: what is kept, what it should be, which row.
    private static let sums: [(name: String, sql: String)] = [
        (
            "bytes used",
            "SELECT used_bytes, n, 1 FROM totals, (SELECT coalesce(sum(stored_size), 0) n FROM blobs) WHERE used_bytes <> n"
        ),
        (
            "bytes referred to",
            """
            SELECT live_bytes, n, 1 FROM totals, (SELECT coalesce(sum(stored_size), 0) n FROM blobs WHERE live > 0)
            WHERE live_bytes <> n
            """
        ),
        (
            "bytes of a project",
            """
            SELECT live_bytes, n, id FROM (SELECT p.live_bytes, p.id, (
                SELECT coalesce(sum(b.stored_size), 0) FROM project_blobs x JOIN blobs b ON b.id = x.blob
                WHERE x.project = p.id AND x.live > 0) n FROM projects p) WHERE live_bytes <> n
            """
        ),
        (
            "entries of a project",
            """
            SELECT entries, n, id FROM (SELECT p.entries, p.id, (
                SELECT count(*) FROM entries WHERE project = p.id) n FROM projects p) WHERE entries <> n
            """
        ),
        (
            "bytes of entries in a project",
            """
            SELECT kept, n, id FROM (SELECT p.small_bytes + p.large_bytes kept, p.id, (
                SELECT coalesce(sum(size), 0) FROM entries WHERE project = p.id AND removed_at IS NULL) n
                FROM projects p) WHERE kept <> n
            """
        ),
        (
            "bytes of small entries",
            """
            SELECT small_bytes, n, 1 FROM totals, (SELECT coalesce(sum(size), 0) n FROM entries
                WHERE removed_at IS NULL AND size_class = 0) WHERE small_bytes <> n
            """
        ),
        (
            "bytes of large entries",
            """
            SELECT large_bytes, n, 1 FROM totals, (SELECT coalesce(sum(size), 0) n FROM entries
                WHERE removed_at IS NULL AND size_class = 1) WHERE large_bytes <> n
            """
        ),
        (
            "entries of a layer",
            """
            SELECT entries, n, id FROM (SELECT l.entries, l.id, (
                SELECT count(*) FROM entry_layers WHERE layer = l.id) n FROM layers l) WHERE entries <> n
            """
        ),
        (
            "missing blobs of a layer",
            """
            SELECT missing, n, id FROM (SELECT l.missing, l.id, (SELECT count(*) FROM layer_blobs x
                JOIN blobs b ON b.id = x.blob WHERE x.layer = l.id AND b.state = 2) n FROM layers l) WHERE missing <> n
            """
        ),
        (
            "references to a blob",
            """
            SELECT refs, n, id FROM (SELECT b.refs, b.id, (SELECT count(*) FROM layer_blobs WHERE blob = b.id)
                + (SELECT count(*) FROM entry_blobs WHERE blob = b.id) n FROM blobs b) WHERE refs <> n
            """
        ),
        (
            "live references to a blob",
            """
            SELECT live, n, id FROM (SELECT b.live, b.id, (SELECT count(*) FROM layer_blobs x
                JOIN layers l ON l.id = x.layer WHERE x.blob = b.id AND l.entries > 0)
                + (SELECT count(*) FROM entry_blobs WHERE blob = b.id) n FROM blobs b) WHERE live <> n
            """
        ),
        (
            "references of projects to a blob",
            """
            SELECT refs, n, id FROM (SELECT b.refs, b.id, (
                SELECT coalesce(sum(refs), 0) FROM project_blobs WHERE blob = b.id) n FROM blobs b) WHERE refs <> n
            """
        ),
        (
            "live references of projects to a blob",
            """
            SELECT live, n, id FROM (SELECT b.live, b.id, (
                SELECT coalesce(sum(live), 0) FROM project_blobs WHERE blob = b.id) n FROM blobs b) WHERE live <> n
            """
        ),
        (
            "entries of unprotected scopes in a layer",
            """
            SELECT unprotected, n, id FROM (SELECT l.unprotected, l.id, (SELECT count(*) FROM entry_layers x
                JOIN entries e ON e.id = x.entry WHERE x.layer = l.id AND e.is_unprotected = 1) n FROM layers l)
            WHERE unprotected <> n
            """
        ),
        (
            "loose references to a blob",
            "SELECT loose, n, id FROM (SELECT loose, id, \(UnprotectedBytes.looseHolders) n FROM blobs) WHERE loose <> n"
        ),
        (
            "bytes of unprotected scopes",
            """
            SELECT loose_bytes, n, 1 FROM totals, (SELECT coalesce(sum(stored_size), 0) n FROM blobs
                WHERE loose > 0 AND loose = live) WHERE loose_bytes <> n
            """
        ),
        (
            "entries of unprotected scopes",
            """
            SELECT unprotected_entries, n, 1 FROM totals, (SELECT count(*) n FROM entries WHERE is_unprotected = 1)
            WHERE unprotected_entries <> n
            """
        ),
        (
            "pins of a blob",
            """
            SELECT pins, n, id FROM (SELECT b.pins, b.id, (
                SELECT count(*) FROM session_blobs WHERE blob = b.id) n FROM blobs b) WHERE pins <> n
            """
        ),
        (
            "visible entries that need missing bytes",
            """
            SELECT 1, 0, e.id FROM entries e WHERE removed_at IS NULL AND (
                EXISTS (SELECT 1 FROM entry_layers x JOIN layers l ON l.id = x.layer
                    WHERE x.entry = e.id AND l.missing > 0)
                OR EXISTS (SELECT 1 FROM entry_blobs x JOIN blobs b ON b.id = x.blob
                    WHERE x.entry = e.id AND b.state <> 0))
            """
        ),
    ]
}

extension Ledger {
    /// The figures of one project, or of all.
    func statistics(of project: Int64?) throws -> Statistics {
        let own = project == nil ? "TRUE" : "project = ?"
        let arguments: StatementArguments = project.map { [$0] } ?? []
        var result = Statistics()
        let entries = try self.database.rows(
            """
            SELECT count(*) FILTER (WHERE removed_at IS NULL),
                count(*) FILTER (WHERE removed_at IS NULL AND is_pinned = 1),
                count(*) FILTER (WHERE removed_at IS NOT NULL),
                coalesce(sum(size) FILTER (WHERE removed_at IS NULL), 0)
            FROM entries WHERE \(own)
            """,
            arguments
        )
        for row in entries {
            (result.entries, result.pinnedEntries, result.removedEntries) = (row[0], row[1], row[2])
            result.logicalBytes = row[3]
        }
        result.layers = try self.database.value(Int.self, "SELECT count(*) FROM layers WHERE \(own)", arguments) ?? 0
        let sums = "SELECT count(*), coalesce(sum(size), 0), coalesce(sum(stored_size), 0) FROM blobs WHERE state = 0"
        let inProject = project == nil ? "" : " AND id IN (SELECT blob FROM project_blobs WHERE project = ?)"
        for row in try self.database.rows(sums + inProject, arguments) {
            (result.blobs, result.rawBytes, result.storedBytes) = (row[0], row[1], row[2])
        }
        let removals = "SELECT reason, sum(count) FROM removals WHERE \(own) GROUP BY reason HAVING sum(count) > 0"
        for row in try self.database.rows(removals, arguments) {
            guard let reason = Removal.Reason(rawValue: row[0]) else { throw Self.unknownWord(row[0]) }
            result.removals[reason] = row[1]
        }
        result.families = try self.families(own, arguments)
        return result
    }

    private func families(
        _ condition: String,
        _ arguments: StatementArguments
    ) throws -> [Traffic.Family: Traffic.Counts] {
        let rows = try self.database.rows(
            """
            SELECT p.name, f.name, exact_hits, prefix_hits, misses, saves, known_saves, bytes_sent, bytes_received
            FROM families f JOIN projects p ON p.id = f.project WHERE \(condition)
            """,
            arguments
        )
        var families: [Traffic.Family: Traffic.Counts] = [:]
        for row in rows {
            var counts = Traffic.Counts()
            (counts.exactHits, counts.prefixHits, counts.misses) = (row[2], row[3], row[4])
            (counts.saves, counts.knownSaves) = (row[5], row[6])
            (counts.bytesSent, counts.bytesReceived) = (row[7], row[8])
            families[Traffic.Family(project: try ProjectName(row[0] as String), name: row[1])] = counts
        }
        return families
    }
}

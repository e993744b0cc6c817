package import CacheModel
internal import Foundation
internal import GRDB
internal import LayerKernels
package import StorageInterface

/// The audit log. Rows are only added; triggers refuse everything else.
extension SQLiteCatalog {
    package func note(_ event: AuditEvent) async throws -> AuditRow {
        try await self.write { try Ledger(database: $0).append(event) }
    }

    package func auditPage(_ filter: AuditFilter) async throws -> AuditPage {
        try await self.read { database in
            let ledger = Ledger(database: database)
            let limit = max(1, filter.limit)
            let rows =
                if let project = filter.project {
                    try ledger.auditRows(
                        "project = ? AND sequence > ? ORDER BY sequence LIMIT ?",
                        [project.description, filter.after, limit]
                    )
                } else {
                    try ledger.auditRows("sequence > ? ORDER BY sequence LIMIT ?", [filter.after, limit])
                }
            return AuditPage(rows: rows, anchor: try ledger.auditAnchor(), head: try ledger.auditHead())
        }
    }

    package func auditHead() async throws -> AuditHead {
        try await self.read { try Ledger(database: $0).auditHead() }
    }

    package func auditRow(ofSaved entry: Int64) async throws -> AuditRow? {
        try await self.read { try Ledger(database: $0).auditRows("action = 'saved' AND entry = ?", [entry]).first }
    }

    package func trimAudit(before moment: Timestamp, limit: Int) async throws -> Int {
        try await self.write { database in
            let ledger = Ledger(database: database)
            let oldest = try ledger.auditRows("sequence > 0 ORDER BY sequence LIMIT ?", [limit])
            let old = oldest.prefix { $0.event.at < moment }
            guard let last = old.last else { return 0 }
            try database.run(
                "UPDATE audit_anchor SET sequence = ?, hash = ?",
                [last.sequence, last.hash.data]
            )
            try database.run("DELETE FROM audit WHERE sequence <= ?", [last.sequence])
            try ledger.append(
                AuditEvent(.logTrimmed, by: AuditEvent.server, at: .current, detail: "up to row \(last.sequence)")
            )
            return old.count
        }
    }
}

extension Ledger {
    private static let auditColumns = """
        sequence, at, actor, action, project, scope, key, entry, record, bytes, detail, previous, hash
        """

    /// Where the log ends.
    ///
    /// Reads one row at the end of the table, which is in memory while anything is written.
    func auditHead() throws -> AuditHead {
        try self.auditEnd("SELECT sequence, hash FROM audit WHERE sequence = (SELECT max(sequence) FROM audit)")
            ?? self.auditAnchor()
    }

    /// What the oldest row follows.
    func auditAnchor() throws -> AuditHead {
        try self.auditEnd("SELECT sequence, hash FROM audit_anchor") ?? .empty
    }

    private func auditEnd(_ sql: String) throws -> AuditHead? {
        try self.database.rows(sql).first.map { AuditHead(sequence: $0[0], hash: try Digest(column: $0[1])) }
    }

    func auditRows(_ condition: String, _ arguments: StatementArguments) throws -> [AuditRow] {
        let sql = "SELECT \(Self.auditColumns) FROM audit WHERE \(condition)"
        return try self.database.rows(sql, arguments).map { row in
            let record: Data? = row[8]
            let event = AuditEvent(
                AuditEvent.Action(rawValue: row[3]),
                by: row[2],
                at: Timestamp(milliseconds: row[1]),
                project: row[4],
                scope: row[5],
                key: row[6],
                entry: row[7],
                record: try record.map { try Digest(column: $0) },
                bytes: row[9],
                detail: row[10]
            )
            return AuditRow(
                sequence: row[0],
                event: event,
                previous: try Digest(column: row[11]),
                hash: try Digest(column: row[12])
            )
        }
    }

    @discardableResult
    func append(_ event: AuditEvent) throws -> AuditRow {
        let row = AuditRow(event, after: try self.auditHead())
        try self.database.run(
            "INSERT INTO audit (\(Self.auditColumns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                row.sequence, event.at.milliseconds, event.actor, event.action.rawValue, event.project, event.scope,
                event.key, event.entry, event.record?.data, event.bytes, event.detail, row.previous.data, row.hash.data,
            ]
        )
        return row
    }

    /// Adds a row about an entry.
    @discardableResult
    func audit(
        _ action: AuditEvent.Action,
        _ row: EntryRow,
        at now: Timestamp,
        detail: String = "",
        actor: String
    ) throws -> AuditRow {
        let project = try self.database.value(String.self, "SELECT name FROM projects WHERE id = ?", [row.project])
        return try self.append(
            AuditEvent(
                action,
                by: actor,
                at: now,
                project: project ?? "",
                scope: row.scope,
                key: row.key,
                entry: row.id,
                record: try Digest(column: row.record),
                bytes: Int64(row.size),
                detail: detail
            )
        )
    }
}

extension Schema {
    /// The hash of each row covers the one before it, so no column may ever change; docs/FORMAT.md says how.
    static let audit = """
        CREATE TABLE audit (
            sequence INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            actor TEXT NOT NULL,
            action TEXT NOT NULL,
            project TEXT NOT NULL,
            scope TEXT NOT NULL,
            key TEXT NOT NULL,
            entry INTEGER,
            record BLOB CHECK (length(record) = 32),
            bytes INTEGER,
            detail TEXT NOT NULL,
            previous BLOB NOT NULL CHECK (length(previous) = 32),
            hash BLOB NOT NULL CHECK (length(hash) = 32)
        ) STRICT;
        CREATE INDEX audit_by_project ON audit (project);
        CREATE INDEX audit_saves ON audit (entry) WHERE action = 'saved';

        CREATE TABLE audit_anchor (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            sequence INTEGER NOT NULL,
            hash BLOB NOT NULL CHECK (length(hash) = 32)
        ) STRICT;
        INSERT INTO audit_anchor (one, sequence, hash) VALUES (1, 0, zeroblob(32));

        CREATE TRIGGER audit_keeps_rows BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'rows of the audit log never change'); END;
        CREATE TRIGGER audit_has_no_gaps BEFORE DELETE ON audit
        WHEN OLD.sequence > (SELECT sequence FROM audit_anchor)
        BEGIN SELECT RAISE(ABORT, 'rows of the audit log are dropped behind the anchor only'); END;

        ALTER TABLE entries ADD COLUMN signature BLOB;
        """
}

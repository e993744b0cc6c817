internal import CacheModel
internal import LayerKernels
internal import StorageInterface

extension CatalogState {
    var auditHead: AuditHead { self.auditRows.last?.head ?? self.auditAnchor }

    @discardableResult
    mutating func append(_ event: AuditEvent) -> AuditRow {
        let row = AuditRow(event, after: self.auditHead)
        self.auditRows.append(row)
        return row
    }

    /// Adds a row about an entry that is there.
    @discardableResult
    mutating func audit(
        _ action: AuditEvent.Action,
        _ id: Int64,
        at now: Timestamp,
        detail: String = "",
        actor: String
    ) -> AuditRow {
        let row = self.rows[id]
        return self.append(
            AuditEvent(
                action,
                by: actor,
                at: now,
                project: row?.entry.project.description ?? "",
                scope: row?.entry.scope.text ?? "",
                key: row?.entry.key.text ?? "",
                entry: id,
                record: row?.record,
                bytes: row.map { Int64($0.entry.size) },
                detail: detail
            )
        )
    }

    func auditPage(_ filter: AuditFilter) -> AuditPage {
        let rows = self.auditRows.filter { row in
            row.sequence > filter.after && (filter.project.map { row.event.project == $0.description } ?? true)
        }
        return AuditPage(
            rows: Array(rows.prefix(max(1, filter.limit))),
            anchor: self.auditAnchor,
            head: self.auditHead
        )
    }

    mutating func trimAudit(before moment: Timestamp, limit: Int) -> Int {
        let old = Array(self.auditRows.prefix(limit).prefix { $0.event.at < moment })
        guard let last = old.last else { return 0 }
        self.auditAnchor = last.head
        self.auditRows.removeFirst(old.count)
        self.append(
            AuditEvent(.logTrimmed, by: AuditEvent.server, at: .current, detail: "up to row \(last.sequence)")
        )
        return old.count
    }
}

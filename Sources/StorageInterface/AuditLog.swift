package import CacheModel

/// What was done to the store, in rows that are chained by their hashes and only ever added.
///
/// The verbs of ``Catalog`` write their own rows, in the transaction in which they do what the rows say.
package protocol AuditLog: Sendable {
    /// Adds a row about something that the catalog does not do itself.
    @discardableResult
    func note(_ event: AuditEvent) async throws -> AuditRow

    /// A page of rows in their order, and both ends of the log, as of one moment.
    func auditPage(_ filter: AuditFilter) async throws -> AuditPage

    /// Where the log ends now.
    func auditHead() async throws -> AuditHead

    /// The row of the save that made an entry, or `nil` if it was dropped.
    func auditRow(ofSaved entry: Int64) async throws -> AuditRow?

    /// Drops at most `limit` of the oldest rows, up to the first one that is not older than `moment`, and remembers
    /// where they ended.
    ///
    /// - Returns: How many rows were dropped.
    func trimAudit(before moment: Timestamp, limit: Int) async throws -> Int
}

/// Which rows of the log to give.
package struct AuditFilter: Hashable, Sendable {
    /// Only rows that concern this project.
    package var project: ProjectName?
    /// Only rows with greater numbers.
    package var after: Int64
    package var limit: Int

    package init(project: ProjectName? = nil, after: Int64 = 0, limit: Int = 1_000) {
        self.project = project
        self.after = after
        self.limit = limit
    }
}

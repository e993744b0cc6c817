package import CacheModel
package import StorageInterface

// The audit log, as gateways and the server use it.

extension CacheService {
    /// Adds a row about something that is no change of entries, such as a new token.
    ///
    /// - Parameters:
    ///   - action: What was done.
    ///   - actor: Who did it.
    ///   - project: The project that it concerns, if it is one.
    ///   - scope: The scope that it concerns.
    ///   - detail: What else is worth saying.
    package func note(
        _ action: AuditEvent.Action,
        by actor: String,
        project: ProjectName? = nil,
        scope: Scope? = nil,
        detail: String = ""
    ) async throws {
        try await self.catalog.note(
            AuditEvent(
                action,
                by: actor,
                at: self.now(),
                project: project?.description ?? "",
                scope: scope?.text ?? "",
                detail: detail
            )
        )
    }

    /// A page of the log.
    package func auditPage(_ filter: AuditFilter) async throws -> AuditPage {
        try await self.catalog.auditPage(filter)
    }

    /// Where the log ends.
    package func auditHead() async throws -> AuditHead { try await self.catalog.auditHead() }

    /// Drops the rows that are older than the log is kept, oldest first; none if it is kept for ever.
    package func trimAudit() async throws {
        guard let time = self.configuration.auditTime else { return }
        while try await self.catalog.trimAudit(before: self.now() - time, limit: 10_000) > 0 {}
    }
}

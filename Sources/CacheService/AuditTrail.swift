package import CacheModel
package import Signatures
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
    ///   - key: The key that it concerns.
    ///   - detail: What else is worth saying.
    /// - Throws: What the catalog throws.
    package func note(
        _ action: AuditEvent.Action,
        by actor: String,
        project: ProjectName? = nil,
        scope: Scope? = nil,
        key: CacheKey? = nil,
        detail: String = ""
    ) async throws {
        let event = AuditEvent(
            action,
            by: actor,
            at: self.now(),
            project: project?.description ?? "",
            scope: scope?.text ?? "",
            key: key?.text ?? "",
            detail: detail
        )
        // Whoever makes room on a full disk is noted with the room that is kept for it.
        _ = try await self.removing { try await self.catalog.note(event) }
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

    /// What receipts can be checked with.
    package var serverKey: VerificationKey { self.configuration.serverKey.publicKey }

    /// The receipt of an entry, made anew from the row of its save.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `notFound` if the row is no longer kept.
    package func receipt(of entry: Entry) async throws -> Receipt {
        guard let row = try await self.catalog.auditRow(ofSaved: entry.id),
            let receipt = try Receipt(of: row, signedWith: self.configuration.serverKey)
        else {
            throw CacheError(
                .notFound,
                "the audit log has no row of the save of '\(entry.key)': it was dropped, or is older than the log"
            )
        }
        return receipt
    }
}

internal import AccessControl
internal import AccessPolicy
internal import CacheModel
internal import CacheService
internal import JobIdentities
internal import Logging

/// The access file and what follows it: the rules of projects, and the sessions of jobs.
struct Identities: Sendable {
    /// How often the file is looked at: a change is in force within a second.
    private static let interval = Duration.milliseconds(500)

    /// Who is believed.
    let exchange: IdentityExchange
    /// What the rest of the server asks.
    let setup: AccessSetup
    private let watch: AccessFileWatch

    /// Reads the file.
    ///
    /// - Throws: ``ConfigurationProblems``.
    init(_ configuration: ServerConfiguration, _ base: AccessSetup, logger: Logger) throws(ConfigurationProblems) {
        let watch = try AccessFileWatch(
            configuration.accessFile ?? configuration.data + "/access.yml",
            isRequired: configuration.accessFile != nil,
            logger: logger
        )
        let rules: @Sendable (ProjectName) -> ProjectRules = { project in
            watch.isThere ? watch.rules(of: project) : base.rules(project)
        }
        let documents: IssuerDocuments
        do throws(CacheError) {
            documents = try IssuerDocuments(authorityFile: configuration.issuerAuthorityFile)
        } catch {
            throw ConfigurationProblems(problems: ["issuer-ca-file: \(error.message)"])
        }
        self.watch = watch
        self.exchange = IdentityExchange(watch.identities, rules: rules, logger: logger, fetch: documents.fetch)
        self.setup = AccessSetup(
            rules: rules,
            sources: base.sources + [self.exchange.sessions],
            isClosed: base.isClosed || watch.isThere
        )
    }

    /// Follows the file; that another one is in force is noted in the audit log.
    func job(_ control: AccessControl, _ service: CacheService, _ logger: Logger) -> RepeatedJob {
        RepeatedJob(name: "access", interval: Self.interval, logger: logger, runsAtEnd: false) {
            guard self.watch.refresh() else { return }
            self.exchange.reload(self.watch.identities)
            control.close()
            service.rulesChanged()
            try await service.note(.accessChanged, by: AuditEvent.server, detail: "another access file is in force")
        }
    }
}

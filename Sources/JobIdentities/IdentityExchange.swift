package import AccessPolicy
package import AccessRules
package import CacheModel
package import Logging
internal import LayerKernels
internal import Synchronization

/// Exchanges identity tokens of CI systems for sessions.
package final class IdentityExchange: Sendable {
    /// The longest life of a session.
    private static let longestLife = Duration.seconds(3_600)
    /// How often one identity token is exchanged: a job's steps each do it.
    private static let exchangesPerToken = 64

    private struct State {
        var configuration: IdentityConfiguration
        var verifier: TokenVerifier
        /// How often a token was exchanged, and until when that matters.
        var uses: [String: (count: Int, until: Timestamp)] = [:]
    }

    /// The sessions that were begun.
    package let sessions = JobSessions()
    private let state: Mutex<State>
    private let rules: @Sendable (ProjectName) -> ProjectRules
    private let now: @Sendable () -> Timestamp
    private let logger: Logger
    private let fetch: @Sendable (String) async throws -> [UInt8]

    /// Creates an exchange.
    ///
    /// - Parameters:
    ///   - configuration: Whom to believe.
    ///   - rules: What the operator has decided for a project.
    ///   - logger: Is told what goes wrong with issuers.
    ///   - now: The clock.
    ///   - fetch: Gets an issuer's documents; see ``IssuerDocuments``.
    package init(
        _ configuration: IdentityConfiguration,
        rules: @escaping @Sendable (ProjectName) -> ProjectRules,
        logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { .current },
        fetch: @escaping @Sendable (String) async throws -> [UInt8]
    ) {
        self.state = Mutex(
            State(
                configuration: configuration,
                verifier: TokenVerifier(configuration.issuers, logger: logger, fetch: fetch)
            )
        )
        self.rules = rules
        self.now = now
        self.logger = logger
        self.fetch = fetch
    }

    /// Puts another configuration in force, also for the sessions that were begun.
    package func reload(_ configuration: IdentityConfiguration) {
        let verifier = TokenVerifier(configuration.issuers, logger: self.logger, fetch: self.fetch)
        self.state.withLock { state in
            if state.configuration.issuers != configuration.issuers { state.verifier = verifier }
            state.configuration = configuration
        }
        self.sessions.identifyAgain { claims, issuer in self.explain(claims, issuer: issuer) }
    }

    /// A session that was begun.
    package struct Session: Sendable {
        /// The token that stands for it.
        package var token: String
        /// When it ends by itself.
        package var expiresAt: Timestamp
        /// Whose it is.
        package var identity: JobIdentity
    }

    /// Begins a session for the job that an identity token vouches for.
    ///
    /// - Throws: ``IdentityRefusal``.
    package func exchange(_ token: String) async throws(IdentityRefusal) -> Session {
        let (verifier, configuration) = self.state.withLock { ($0.verifier, $0.configuration) }
        let now = self.now()
        let (issuer, claims) = try await verifier.verify(token, at: now)
        guard let identity = self.identity(of: claims, from: issuer, configuration) else { throw .unbound }
        // Verified before: it has an end.
        let end = Timestamp(milliseconds: Int64((claims.seconds("exp") ?? 0) * 1_000))
        try self.noteUse(of: claims.text("jti") ?? Self.digest(of: token), from: issuer, until: end, at: now)
        let expiresAt = max(now, min(end, now + Self.longestLife))
        let session = self.sessions.begin(
            identity,
            from: claims,
            of: issuer.name,
            until: expiresAt,
            at: now
        )
        return Session(token: session, expiresAt: expiresAt, identity: identity)
    }

    /// What claims would make of a job, if a token of this issuer had them; for explaining.
    ///
    /// - Returns: `nil` if no binding fits, or there is no issuer with the name.
    package func explain(_ claims: Claims, issuer name: String) -> JobIdentity? {
        let configuration = self.state.withLock { $0.configuration }
        guard let issuer = configuration.issuers.first(where: { $0.name == name }) else { return nil }
        return self.identity(of: claims, from: issuer, configuration)
    }

    private func identity(
        of claims: Claims,
        from issuer: IdentityIssuer,
        _ configuration: IdentityConfiguration
    ) -> JobIdentity? {
        guard let binding = configuration.bindings.first(where: { $0.issuer == issuer.name && $0.fits(claims) }) else {
            return nil
        }
        var job = JobClaims(claims, of: issuer.provider)
        let rules = self.rules(binding.project)
        if rules.mode == .isolated, !self.mayBeProtected(job, claims, binding, issuer, rules) { job.isTrusted = false }
        // GitHub's tokens do not tell whose branch a pull request is. In its own scope it harms nobody; where all jobs
        // share one scope it counts as a fork's.
        if rules.mode == .shared, issuer.provider == .gitHub, case .pullRequest(let number, let base, _) = job.ref {
            job.ref = .pullRequest(number: number, base: base, isFork: true)
        }
        return JobIdentity(
            name: "\(issuer.name):\(binding.project):\(job.label)",
            project: binding.project,
            ref: job.ref,
            isTrusted: job.isTrusted
        )
    }

    private func mayBeProtected(
        _ job: JobClaims,
        _ claims: Claims,
        _ binding: IdentityBinding,
        _ issuer: IdentityIssuer,
        _ rules: ProjectRules
    ) -> Bool {
        switch job.ref {
        case .branch(let branch) where rules.isProtected(branch: branch):
            binding.fitsProtected(claims) && JobClaims.isProtectedBySystem(claims, issuer.provider)
        case .tag: binding.fitsProtected(claims) && JobClaims.isProtectedBySystem(claims, issuer.provider)
        default: true
        }
    }

    /// What a token without a `jti` is counted by; CircleCI's have none.
    private static func digest(of token: String) -> String { "\(SHA256.digest(of: Array(token.utf8)))" }

    private func noteUse(
        of id: String,
        from issuer: IdentityIssuer,
        until end: Timestamp,
        at now: Timestamp
    ) throws(IdentityRefusal) {
        let isAllowed = self.state.withLock { state in
            if state.uses.count >= 10_000 { state.uses = state.uses.filter { now < $0.value.until } }
            let name = "\(issuer.name) \(id)"
            let count = (state.uses[name]?.count ?? 0) + 1
            state.uses[name] = (count, end + .seconds(60))
            return count <= Self.exchangesPerToken
        }
        if !isAllowed { throw .replayed }
    }
}

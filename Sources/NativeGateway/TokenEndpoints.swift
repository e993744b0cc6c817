package import AccessControl
internal import AccessPolicy
internal import AccessRules
internal import CacheModel
internal import CacheService
internal import GatewayKit
internal import HTTPTypes
internal import Hummingbird
internal import JobIdentities
package import NativeAPI
internal import StorageInterface

extension NativeGateway {
    /// Tokens, and what the policy says about whom.
    var tokenEndpoints: [Endpoint] {
        [
            Endpoint(
                method: .post,
                path: "/v1/tokens",
                operation: "makeToken",
                summary: "Makes a token and shows it, this once; from the first one on the server is closed.",
                request: .message("MakeTokenRequest"),
                success: .ok("MakeTokenResponse", "The token."),
                errors: [400, 413],
                access: .server(.administer),
                handler: self.makeToken
            ),
            Endpoint(
                method: .get,
                path: "/v1/tokens",
                operation: "tokens",
                summary: "All tokens without their secrets, also those that have ended.",
                success: .ok("TokensResponse", "The tokens in the order of their making."),
                access: .server(.administer),
                handler: self.listTokens
            ),
            Endpoint(
                method: .delete,
                path: "/v1/tokens/{id}",
                operation: "revokeToken",
                summary: "Revokes a token, at once and for ever.",
                parameters: [.path("id", .string, "The token's public identifier.")],
                success: .ok("TokenDescription", "The token, revoked."),
                errors: [400, 404],
                access: .server(.administer),
                handler: self.revokeToken
            ),
            Endpoint(
                method: .get,
                path: "/v1/whoami",
                operation: "whoAmI",
                summary: "Who the sender is, and in which scopes of a project.",
                parameters: [
                    .query("project", .string, "The project, as owner/name."),
                    .query("scope", .string, "The scope that a request would name."),
                ],
                success: .ok("WhoAmIResponse", "The principal."),
                errors: [400],
                access: .anyCredential,
                handler: self.whoAmI
            ),
            Endpoint(
                method: .post,
                path: "/v1/policy/explain",
                operation: "explain",
                summary: "Says what the policy decides and by which rule, without doing anything.",
                request: .message("ExplainRequest"),
                success: .ok("ExplainResponse", "The decision."),
                errors: [400, 404, 413],
                access: .anyCredential,
                handler: self.explain
            ),
        ]
    }

    @Sendable private func makeToken(_ call: NativeCall) async throws -> Response {
        let wish = try await TokenWish(call.message(MakeTokenRequest.self))
        let (record, text) = try await self.control.makeToken(wish)
        try await self.service.note(.tokenCreated, by: call.actor, detail: record.auditDetail)
        return try .json(MakeTokenResponse(token: text, description: TokenDescription(record)))
    }

    @Sendable private func listTokens(_ call: NativeCall) async throws -> Response {
        try .json(TokensResponse(tokens: self.control.tokens.map { TokenDescription($0) }))
    }

    @Sendable private func revokeToken(_ call: NativeCall) async throws -> Response {
        let record = try await self.control.revokeToken(call.text("id"))
        try await self.service.note(.tokenRevoked, by: call.actor, detail: record.auditDetail)
        return try .json(TokenDescription(record))
    }

    @Sendable private func whoAmI(_ call: NativeCall) async throws -> Response {
        let project = try call.query["project"].map { try ProjectName($0) }
        return try .json(self.describe(call.requireCredential(), in: project, asserting: call.scope()))
    }

    @Sendable private func explain(_ call: NativeCall) async throws -> Response {
        let question = try await call.message(ExplainRequest.self)
        guard let action = AccessAction(rawValue: question.action) else {
            let known = AccessAction.allCases.map(\.rawValue).joined(separator: ", ")
            throw CacheError(.invalidRequest, "there is no action '\(question.action)'; there are \(known)")
        }
        let credential = try self.subject(of: question, askedBy: call.requireCredential())
        return try .json(
            ExplainResponse(
                self.decide(credential, action, question),
                self.describe(credential, in: question.project, asserting: question.scope)
            )
        )
    }

    /// The credential that a question is about; about others than their own only operators may ask.
    private func subject(of question: ExplainRequest, askedBy credential: Credential) throws -> Credential {
        switch (question.token, question.job, question.claims) {
        case (nil, nil, nil): return credential
        case (let id?, nil, nil):
            try self.control.admit(credential, to: .administer)
            guard let record = self.control.token(id) else {
                throw CacheError(.notFound, "there is no token '\(id)'; cachectl token list shows all")
            }
            return .token(record.grant)
        case (nil, let job?, nil):
            try self.control.admit(credential, to: .audit)
            return .job(JobIdentity(job))
        case (nil, nil, let text?):
            try self.control.admit(credential, to: .audit)
            return .job(try self.identity(of: text, from: question.issuer ?? ""))
        default: throw CacheError(.invalidRequest, "ask about a token, a job or claims, not about two of them")
        }
    }

    /// The job that a token with these claims would be taken for.
    private func identity(of claims: String, from issuer: String) throws -> JobIdentity {
        let claims = try NativeJSON.decode(Claims.self, from: Array(claims.utf8))
        guard let identity = self.exchange.explain(claims, issuer: issuer) else {
            throw CacheError(
                .notFound,
                "the access file has no issuer '\(issuer)', or no project with an identity that fits these claims"
            )
        }
        return identity
    }

    private func decide(_ credential: Credential, _ action: AccessAction, _ question: ExplainRequest) -> Decision {
        guard let project = question.project else {
            return Policy.decide(credential.serverPrincipal, action, .server)
        }
        let rules = self.control.rules(project)
        let principal = credential.principal(for: project, rules, asserting: question.scope)
        let scope = question.scope ?? principal.scope
        let resource = scope.map { Resource.scope($0, project) } ?? .project(project)
        return Policy.decide(principal, action, resource, rules)
    }

    private func describe(
        _ credential: Credential,
        in project: ProjectName?,
        asserting scope: Scope?
    ) -> WhoAmIResponse {
        guard let project else { return WhoAmIResponse(credential.serverPrincipal) }
        let access = self.control.access(credential, to: project)
        let principal = access.principal(asserting: scope)
        var answer = WhoAmIResponse(principal)
        answer.project = project
        // How other projects are set up is nobody's business.
        guard principal.tier != .stranger else { return answer }
        answer.mode = access.rules.mode.rawValue
        answer.scope = principal.scope
        answer.readChain = access.readChain(asserting: scope)
        return answer
    }
}

extension NativeCall {
    fileprivate func requireCredential() throws -> Credential {
        guard let credential = self.credential else {
            throw Failure.unexpected(requestID: self.context.requestID)
        }
        return credential
    }
}

extension TokenWish {
    /// What a request for a token asks for.
    package init(_ request: MakeTokenRequest) {
        self.init(
            name: request.name,
            role: request.role,
            projects: request.projects,
            scope: request.scope,
            actions: request.actions,
            lifetime: request.ttlSeconds.map { .seconds($0) }
        )
    }
}

extension WhoAmIResponse {
    init(_ principal: Principal) {
        self.init(
            name: principal.name,
            tier: principal.tier.rawValue,
            rule: principal.tier.rule,
            projects: principal.projects.description,
            actions: AccessAction.allCases.filter(principal.actions.contains).map(\.rawValue)
        )
    }
}

extension ExplainResponse {
    init(_ decision: Decision, _ principal: WhoAmIResponse) {
        self.init(
            isAllowed: decision.isAllowed,
            rule: decision.rule,
            reason: decision.reason,
            principal: principal
        )
    }
}

extension JobIdentity {
    init(_ job: ExplainRequest.Job) {
        let ref: Ref
        switch (job.pullRequest, job.branch, job.tag) {
        case (let number?, _, _): ref = .pullRequest(number: number, base: job.base, isFork: job.isFork ?? false)
        case (nil, let branch?, nil): ref = .branch(branch)
        case (nil, nil, let tag?): ref = .tag(tag)
        default: ref = .unknown
        }
        self.init(name: "job:\(job.project)", project: job.project, ref: ref, isTrusted: job.isTrusted ?? true)
    }
}

extension TokenRecord {
    /// The token as the audit log names it; never its secret.
    var auditDetail: String {
        "\(self.grant.name) '\(self.name)', \(self.grant.role.rawValue) of \(self.grant.projects)"
    }
}

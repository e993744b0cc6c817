package import CacheModel

// The JSON bodies of what concerns tokens and the policy.

/// Makes a token.
package struct MakeTokenRequest: Codable, Sendable {
    /// What people call it.
    package var name: String
    /// `job`, `developer`, `auditor` or `admin`.
    package var role: String
    /// `owner/name`, `owner/*` or `*`.
    package var projects: String
    /// A scope, `asserted` or `asserted-with-protected`; only for jobs.
    package var scope: String?
    /// The actions it is limited to; all that the role has unless told otherwise.
    package var actions: [String]?
    /// How long it lives; 90 days unless told otherwise.
    package var ttlSeconds: Int?

    package init(
        name: String,
        role: String,
        projects: String,
        scope: String? = nil,
        actions: [String]? = nil,
        ttlSeconds: Int? = nil
    ) {
        self.name = name
        self.role = role
        self.projects = projects
        self.scope = scope
        self.actions = actions
        self.ttlSeconds = ttlSeconds
    }
}

/// A token without its secret.
package struct TokenDescription: Codable, Hashable, Sendable {
    /// The public identifier.
    package var id: String
    package var name: String
    package var role: String
    package var projects: String
    /// A scope, `asserted` or `asserted-with-protected`.
    package var scope: String
    package var actions: [String]
    package var createdAt: Timestamp
    package var expiresAt: Timestamp
    package var revokedAt: Timestamp?
    /// To the minute.
    package var lastUsedAt: Timestamp?

    package init(
        id: String,
        name: String,
        role: String,
        projects: String,
        scope: String,
        actions: [String],
        createdAt: Timestamp,
        expiresAt: Timestamp,
        revokedAt: Timestamp?,
        lastUsedAt: Timestamp?
    ) {
        self.id = id
        self.name = name
        self.role = role
        self.projects = projects
        self.scope = scope
        self.actions = actions
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
        self.lastUsedAt = lastUsedAt
    }

    /// `active`, `expired` or `revoked`.
    package func state(at now: Timestamp) -> String {
        self.revokedAt != nil ? "revoked" : self.expiresAt <= now ? "expired" : "active"
    }
}

/// A token that was made.
package struct MakeTokenResponse: Codable, Sendable {
    /// The token itself; nobody can see it again.
    package var token: String
    package var description: TokenDescription

    package init(token: String, description: TokenDescription) {
        self.token = token
        self.description = description
    }
}

/// All tokens.
package struct TokensResponse: Codable, Sendable {
    package var tokens: [TokenDescription]

    package init(tokens: [TokenDescription]) { self.tokens = tokens }
}

/// Who the sender of a request is, and in which scopes of a project.
package struct WhoAmIResponse: Codable, Sendable {
    /// The name in logs.
    package var name: String
    package var tier: String
    /// The rule that decides about the tier.
    package var rule: String
    /// The projects that the credential is for.
    package var projects: String
    /// What the credential is limited to; the tier may allow less.
    package var actions: [String]
    /// The project that was asked about.
    package var project: ProjectName?
    /// `shared` or `isolated`.
    package var mode: String?
    /// Where saves go.
    package var scope: Scope?
    /// Where restores look, in order.
    package var readChain: [Scope]?

    package init(
        name: String,
        tier: String,
        rule: String,
        projects: String,
        actions: [String],
        project: ProjectName? = nil,
        mode: String? = nil,
        scope: Scope? = nil,
        readChain: [Scope]? = nil
    ) {
        self.name = name
        self.tier = tier
        self.rule = rule
        self.projects = projects
        self.actions = actions
        self.project = project
        self.mode = mode
        self.scope = scope
        self.readChain = readChain
    }
}

/// Asks what the policy says, without doing anything.
package struct ExplainRequest: Codable, Sendable {
    /// A job as its CI system would vouch for it.
    package struct Job: Codable, Sendable {
        package var project: ProjectName
        package var branch: String?
        package var tag: String?
        /// The number of a pull or merge request.
        package var pullRequest: String?
        /// The branch that it is made against.
        package var base: String?
        package var isFork: Bool?
        /// Whether only people of the project can have started it.
        package var isTrusted: Bool?

        package init(
            project: ProjectName,
            branch: String? = nil,
            tag: String? = nil,
            pullRequest: String? = nil,
            base: String? = nil,
            isFork: Bool? = nil,
            isTrusted: Bool? = nil
        ) {
            self.project = project
            self.branch = branch
            self.tag = tag
            self.pullRequest = pullRequest
            self.base = base
            self.isFork = isFork
            self.isTrusted = isTrusted
        }
    }

    /// `read`, `list`, `save`, `replace`, `remove`, `pin`, `audit` or `administer`.
    package var action: String
    /// The project; the whole server if it is left out.
    package var project: ProjectName?
    /// The scope; the principal's own if it is left out.
    package var scope: Scope?
    /// About this token instead of the asking credential.
    package var token: String?
    /// About this job instead of the asking credential.
    package var job: Job?
    /// About the job whose identity token has these claims, a JSON object as text.
    package var claims: String?
    /// The issuer of these claims, as the access file names it.
    package var issuer: String?

    package init(
        action: String,
        project: ProjectName? = nil,
        scope: Scope? = nil,
        token: String? = nil,
        job: Job? = nil,
        claims: String? = nil,
        issuer: String? = nil
    ) {
        (self.claims, self.issuer) = (claims, issuer)
        self.action = action
        self.project = project
        self.scope = scope
        self.token = token
        self.job = job
    }
}

/// What the policy says.
package struct ExplainResponse: Codable, Sendable {
    package var isAllowed: Bool
    /// The rule that decides, such as `R4`.
    package var rule: String
    package var reason: String
    /// About whom.
    package var principal: WhoAmIResponse

    package init(isAllowed: Bool, rule: String, reason: String, principal: WhoAmIResponse) {
        self.isAllowed = isAllowed
        self.rule = rule
        self.reason = reason
        self.principal = principal
    }
}

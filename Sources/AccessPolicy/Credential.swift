public import CacheModel

/// What was proven about the sender of a request: the only source of a ``Principal``.
public enum Credential: Hashable, Sendable {
    /// A server that nobody made tokens for: whoever reaches it may do everything.
    case open
    /// A token that an operator made.
    case token(Grant)
    /// A job whose CI system vouches for it.
    case job(JobIdentity)

    /// The principal for one project.
    ///
    /// - Parameters:
    ///   - project: The project that the request names.
    ///   - rules: What the operator has decided for it.
    ///   - asserted: The scope that the request asks for; it counts only where the credential may choose.
    /// - Returns: Who asks; a stranger if the credential is for other projects.
    public func principal(for project: ProjectName, _ rules: ProjectRules, asserting asserted: Scope?) -> Principal {
        switch self {
        case .open: Principal(name: "open", tier: .administrator, projects: .all, scope: asserted ?? rules.mainScope)
        case .token(let grant): grant.principal(for: project, rules, asserting: asserted)
        case .job(let job): job.principal(for: project, rules)
        }
    }

    /// The principal for what concerns the whole server.
    public var serverPrincipal: Principal {
        switch self {
        case .open: Principal(name: "open", tier: .administrator, projects: .all)
        case .token(let grant):
            Principal(name: grant.name, tier: grant.serverTier, projects: grant.projects, actions: grant.actions)
        case .job(let job): Principal(name: job.name, tier: .untrusted, projects: ProjectPattern(job.project))
        }
    }
}

/// What an operator granted to the holder of a token.
public struct Grant: Hashable, Sendable {
    /// What the holder is.
    public enum Role: String, Hashable, Sendable, Codable, CaseIterable {
        /// A CI job that cannot prove who it is otherwise.
        case job
        /// A person.
        case developer
        /// Reads what happened, and no content.
        case auditor
        /// May do everything.
        case administrator = "admin"
    }

    /// Which scope a job's token is for.
    public enum ScopeGrant: Hashable, Sendable {
        /// This one, whatever a request says.
        case fixed(Scope)
        /// The one that a request names, as long as it is not protected.
        case asserted
        /// The one that a request names, also a protected one.
        case assertedWithProtected
    }

    /// The token's name in logs: `token:` and its public identifier.
    public var name: String
    /// What the holder is.
    public var role: Role
    /// The projects it is for.
    public var projects: ProjectPattern
    /// The scope it is for; a developer's is always `dev/NAME`.
    public var scope: ScopeGrant
    /// What it is limited to.
    public var actions: Set<AccessAction>

    /// Creates a grant.
    public init(
        name: String,
        role: Role,
        projects: ProjectPattern,
        scope: ScopeGrant = .fixed(.shared),
        actions: Set<AccessAction> = Set(AccessAction.allCases)
    ) {
        self.name = name
        self.role = role
        self.projects = projects
        self.scope = scope
        self.actions = actions
    }

    fileprivate var serverTier: Tier {
        switch self.role {
        case .administrator: .administrator
        case .auditor: .auditor
        case .developer: .developer
        case .job: .untrusted
        }
    }

    fileprivate func principal(
        for project: ProjectName,
        _ rules: ProjectRules,
        asserting asserted: Scope?
    ) -> Principal {
        var principal = Principal(
            name: self.name,
            tier: self.projects.covers(project) ? self.serverTier : .stranger,
            projects: self.projects,
            actions: self.actions
        )
        guard principal.tier != .stranger else { return principal }
        switch self.role {
        case .auditor: break
        case .administrator: principal.scope = asserted ?? rules.mainScope
        case .developer:
            if case .fixed(let scope) = self.scope, scope.text.hasPrefix("dev/") { principal.scope = scope }
        case .job:
            (principal.scope, principal.tier) = self.jobScope(rules, asserting: asserted)
        }
        return principal
    }

    private func jobScope(_ rules: ProjectRules, asserting asserted: Scope?) -> (Scope?, Tier) {
        switch self.scope {
        case .fixed(let scope):
            let tier = Tier(ofTokenFor: scope, rules)
            return (tier == .untrusted ? nil : scope, tier)
        case .asserted, .assertedWithProtected:
            guard let scope = asserted ?? (rules.mode == .shared ? .shared : nil) else { return (nil, .untrusted) }
            let tier = Tier(ofTokenFor: scope, rules)
            let isProtected = [.main, .release, .tag].contains(tier)
            guard tier != .untrusted, !isProtected || self.scope == .assertedWithProtected else {
                return (nil, .untrusted)
            }
            return (scope, tier)
        }
    }
}

extension Tier {
    /// How far the holder of a token for `scope` is trusted; `untrusted` where the project knows no such scope.
    fileprivate init(ofTokenFor scope: Scope, _ rules: ProjectRules) {
        if rules.mode == .shared {
            // One scope for all; scopes beside it are a fork's or a pull request's, as without tokens.
            self = scope == .shared ? .branch : scope.text.dropping("branch/") == nil ? .pullRequest : .untrusted
            return
        }
        if let branch = scope.text.dropping("branch/") {
            self = rules.isDefault(branch: branch) ? .main : rules.isProtected(branch: branch) ? .release : .branch
        } else if scope.text.hasPrefix("tag/") {
            self = .tag
        } else if scope.text.hasPrefix("pr/") || scope.text.hasPrefix("fork/") {
            self = .pullRequest
        } else {
            self = .untrusted
        }
    }
}

/// What a CI system vouches for: the verified claims of a job's identity token, in one shape for all systems.
public struct JobIdentity: Hashable, Sendable {
    /// What the job runs for.
    public enum Ref: Hashable, Sendable {
        case branch(String)
        case tag(String)
        /// A pull or merge request, and the branch it is made against, where that is known.
        case pullRequest(number: String, base: String?, isFork: Bool)
        /// Something else, or nothing that can be believed.
        case unknown
    }

    /// The name in logs, such as `github:acme/shop:refs/heads/main`.
    public var name: String
    /// The project that the operator bound the identity to.
    public var project: ProjectName
    /// What the job runs for.
    public var ref: Ref
    /// Whether only people of the project can have started the job, and the system protects the ref where it can tell.
    public var isTrusted: Bool

    /// Creates an identity.
    public init(name: String, project: ProjectName, ref: Ref, isTrusted: Bool) {
        self.name = name
        self.project = project
        self.ref = ref
        self.isTrusted = isTrusted
    }

    fileprivate func principal(for project: ProjectName, _ rules: ProjectRules) -> Principal {
        var principal = Principal(name: self.name, tier: .untrusted, projects: ProjectPattern(self.project))
        guard project == self.project else {
            principal.tier = .stranger
            return principal
        }
        switch self.ref {
        case .branch(let branch) where self.isTrusted:
            principal.scope = rules.mode == .shared ? .shared : .branch(branch)
            principal.tier =
                rules.mode == .shared
                ? .branch
                : rules.isDefault(branch: branch) ? .main : rules.isProtected(branch: branch) ? .release : .branch
        case .tag(let tag) where self.isTrusted:
            principal.scope = rules.mode == .shared ? .shared : .tag(tag)
            principal.tier = rules.mode == .shared ? .branch : .tag
        case .pullRequest(let number, let base, let isFork):
            principal.tier = isFork ? .fork : .pullRequest
            principal.scope = !isFork && rules.mode == .shared ? .shared : .pullRequest(number)
            // The chain goes through the branch only where the project has a scope for it.
            principal.base = rules.mode == .shared ? nil : base.flatMap { Scope.branch($0) }
            if !self.isTrusted, !isFork {
                (principal.tier, principal.scope) = (.untrusted, nil)
            }
        default: break
        }
        if principal.scope == nil, [.main, .release, .branch, .tag].contains(principal.tier) {
            principal.tier = .untrusted
        }
        return principal
    }
}

public import CacheModel

/// Who asks, as far as one project is concerned: what ``Policy`` decides about.
///
/// A principal is made from a ``Credential``, never from a request: nothing that a client sends can widen it.
public struct Principal: Hashable, Sendable {
    /// The name in logs and in the audit log, such as `token:4kQ2…` or `github:acme/shop:refs/heads/main`.
    public var name: String
    /// How far it is trusted.
    public var tier: Tier
    /// The projects it is for; all others are as if they did not exist.
    public var projects: ProjectPattern
    /// The one scope that it may write to, if there is one.
    public var scope: Scope?
    /// The scope of the branch that a pull request is made against.
    public var base: Scope?
    /// What its credential is limited to; the tier may allow less, never more.
    public var actions: Set<AccessAction>

    /// Creates a principal.
    public init(
        name: String,
        tier: Tier,
        projects: ProjectPattern,
        scope: Scope? = nil,
        base: Scope? = nil,
        actions: Set<AccessAction> = Set(AccessAction.allCases)
    ) {
        self.name = name
        self.tier = tier
        self.projects = projects
        self.scope = scope
        self.base = base
        self.actions = actions
    }
}

/// What a request is about.
public enum Resource: Hashable, Sendable {
    /// A scope of a project.
    case scope(Scope, ProjectName)
    /// All scopes of a project at once.
    case project(ProjectName)
    /// The whole server.
    case server

    /// The project that it belongs to; `nil` for the server.
    public var project: ProjectName? {
        switch self {
        case .scope(_, let project), .project(let project): project
        case .server: nil
        }
    }
}

/// How a scope is related to a principal.
public enum ScopeRelation: String, Hashable, Sendable, CaseIterable {
    /// The principal's own scope.
    case own
    /// The scope of the branch that its pull request is made against.
    case base
    /// The default branch's scope, or `shared` in a project whose jobs trust each other.
    case main
    /// `shared` in a project whose jobs do not trust each other.
    case shared
    /// Another protected branch's scope.
    case protected
    /// Another branch's scope.
    case branch
    /// Another pull request's, a fork's or a person's scope.
    case other
    /// Another tag's scope.
    case tag
    /// A scope of a project that the principal's credential is not for.
    case foreign
}

public import CacheModel

/// What was decided, and by which rule.
public struct Decision: Hashable, Sendable {
    /// Whether the action may be carried out.
    public var isAllowed: Bool
    /// The rule that decided, such as `R4`.
    public var rule: String
    /// Why, for people: a part of a sentence.
    public var reason: String

    /// Creates a decision.
    public init(isAllowed: Bool, rule: String, reason: String) {
        self.isAllowed = isAllowed
        self.rule = rule
        self.reason = reason
    }
}

/// The rules by which the server decides who may do what; pure and total.
///
/// Everything that is not allowed here is denied. The table stands in `docs/SECURITY.md`.
public enum Policy {
    /// Decides about one action.
    ///
    /// - Parameters:
    ///   - principal: Who asks.
    ///   - action: What it wants to do.
    ///   - resource: What it wants to do it to.
    ///   - rules: What the operator has decided for the project that `resource` names.
    /// - Returns: What was decided, and by which rule.
    public static func decide(
        _ principal: Principal,
        _ action: AccessAction,
        _ resource: Resource,
        _ rules: ProjectRules = ProjectRules()
    ) -> Decision {
        guard principal.tier != .stranger else { return self.deny(.stranger, "there is no credential for this") }
        guard principal.actions.contains(action) else {
            return self.deny(principal.tier, "the credential is not for '\(action.rawValue)'")
        }
        switch resource {
        case .server: return self.decideAboutServer(principal, action)
        case .project(let project):
            guard principal.projects.covers(project) else { return self.deny(.stranger, self.foreign) }
            let isAllowed = self.allowsWholeProject(principal.tier, action)
            return self.make(isAllowed, principal.tier, "\(principal.tier.rawValue) \(action.rawValue) in all scopes")
        case .scope(let scope, let project):
            let relation = self.relation(of: scope, in: project, to: principal, rules)
            guard relation != .foreign else { return self.deny(.stranger, self.foreign) }
            let isAllowed = self.allows(principal.tier, action, relation, rules)
            return self.make(
                isAllowed,
                principal.tier,
                "\(principal.tier.rawValue) \(action.rawValue) in \(relation.rawValue) scope '\(scope)'"
            )
        }
    }

    /// The scopes that a principal may read from, in the order in which they are searched.
    public static func readChain(_ principal: Principal, in project: ProjectName, _ rules: ProjectRules) -> [Scope] {
        var chain: [Scope] = []
        for scope in [principal.scope, principal.base, rules.mainScope].compactMap(\.self) where !chain.contains(scope)
        {
            if self.decide(principal, .read, .scope(scope, project), rules).isAllowed { chain.append(scope) }
        }
        return chain
    }

    /// How a scope is related to a principal.
    public static func relation(
        of scope: Scope,
        in project: ProjectName,
        to principal: Principal,
        _ rules: ProjectRules
    ) -> ScopeRelation {
        guard principal.projects.covers(project) else { return .foreign }
        if scope == principal.scope { return .own }
        if scope == principal.base { return .base }
        if scope == rules.mainScope { return .main }
        if scope == .shared { return .shared }
        if let branch = scope.text.dropping("branch/") {
            return rules.isProtected(branch: branch) ? .protected : .branch
        }
        return scope.text.hasPrefix("tag/") ? .tag : .other
    }

    /// The table: whether a tier may do something in a scope of its project.
    public static func allows(
        _ tier: Tier,
        _ action: AccessAction,
        _ relation: ScopeRelation,
        _ rules: ProjectRules = ProjectRules()
    ) -> Bool {
        guard relation != .foreign, AccessAction.ofProjects.contains(action) else { return false }
        switch tier {
        case .main: return relation == .own && [.read, .list, .save, .pin].contains(action)
        case .release:
            return relation == .own
                ? [.read, .list, .save, .pin].contains(action)
                : relation == .main && [.read, .list].contains(action)
        case .branch:
            return relation == .own
                ? [.read, .list, .save, .replace, .remove].contains(action)
                : relation == .main && action == .read
        case .pullRequest:
            return relation == .own
                ? [.read, .list, .save, .replace, .remove].contains(action)
                : [.base, .main].contains(relation) && action == .read
        case .fork:
            if relation == .own { return [.read, .list].contains(action) || (action == .save && rules.forksSave) }
            return [.base, .main].contains(relation) && action == .read && rules.forksRead
        case .untrusted: return [.base, .main].contains(relation) && action == .read
        case .tag:
            return relation == .own
                ? [.read, .list, .save].contains(action)
                : relation == .main && action == .read
        case .developer:
            if relation == .own {
                return [.read, .list, .remove].contains(action) || (action == .save && rules.developersSave)
            }
            return relation == .main && [.read, .list].contains(action)
        case .auditor: return action == .list
        case .administrator: return true
        case .stranger: return false
        }
    }

    private static let foreign = "the credential is for other projects"

    private static func allowsWholeProject(_ tier: Tier, _ action: AccessAction) -> Bool {
        switch tier {
        case .administrator: AccessAction.ofProjects.contains(action)
        case .auditor: action == .list
        default: false
        }
    }

    private static func decideAboutServer(_ principal: Principal, _ action: AccessAction) -> Decision {
        guard principal.projects == .all else {
            return self.deny(principal.tier, "the credential is not for all projects")
        }
        let isAllowed =
            switch principal.tier {
            case .administrator: true
            case .auditor: [.audit, .list].contains(action)
            default: false
            }
        return self.make(isAllowed, principal.tier, "\(principal.tier.rawValue) \(action.rawValue) on the server")
    }

    private static func make(_ isAllowed: Bool, _ tier: Tier, _ reason: String) -> Decision {
        Decision(isAllowed: isAllowed, rule: tier.rule, reason: reason)
    }

    private static func deny(_ tier: Tier, _ reason: String) -> Decision {
        Decision(isAllowed: false, rule: tier.rule, reason: reason)
    }
}

extension String {
    /// What follows `prefix`, or `nil` if the text does not start with its bytes.
    func dropping(_ prefix: String) -> String? {
        guard self.utf8.starts(with: prefix.utf8) else { return nil }
        return String(Substring(self.utf8.dropFirst(prefix.utf8.count)))
    }
}

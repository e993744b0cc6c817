package import AccessPolicy
package import CacheModel

/// What a credential may do in one project: decides scopes for requests.
///
/// Nothing that a request says widens it.
package struct ProjectAccess: Sendable {
    /// Who asks.
    package let credential: Credential
    /// The project that the request names.
    package let project: ProjectName
    /// What the operator has decided for it.
    package let rules: ProjectRules

    package init(_ credential: Credential, _ project: ProjectName, _ rules: ProjectRules) {
        self.credential = credential
        self.project = project
        self.rules = rules
    }

    /// The principal of a request that names `scope`.
    package func principal(asserting scope: Scope? = nil) -> Principal {
        self.credential.principal(for: self.project, self.rules, asserting: scope)
    }

    /// Who asks, for logs.
    package var actor: String { self.principal().name }

    // MARK: Reading

    /// The scopes that a restore searches, in order; none if everything here is as if it did not exist.
    ///
    /// A scope that the request names only narrows the chain: it starts there. In `shared` mode it is searched before
    /// `shared`, as without credentials.
    package func readChain(asserting scope: Scope?) -> [Scope] {
        let principal = self.principal(asserting: scope)
        let chain = Policy.readChain(principal, in: self.project, self.rules)
        guard let scope, scope != principal.scope else { return chain }
        if let start = chain.firstIndex(of: scope) { return Array(chain[start...]) }
        guard self.rules.mode == .shared else { return [] }
        return ([scope] + chain).filter { self.mayRead($0, principal) }
    }

    /// The scopes in which exactly one key is looked for: the one that the request names, or the whole chain.
    package func lookupScopes(asserting scope: Scope?) -> [Scope] {
        guard let scope else { return self.readChain(asserting: nil) }
        return self.mayRead(scope, self.principal(asserting: scope)) ? [scope] : []
    }

    /// The scopes whose blobs and layers may be seen; `nil` for all of the project.
    package var visibleScopes: [Scope]? {
        let principal = self.principal()
        let isWhole = Policy.decide(principal, .read, .project(self.project), self.rules).isAllowed
        if isWhole || self.isOneForAll && self.mayRead(.shared, principal) { return nil }
        guard self.choosesScope else { return Policy.readChain(principal, in: self.project, self.rules) }
        // Bytes are fetched without naming a scope, after a question that named one.
        return principal.tier != .stranger && principal.actions.contains(.read) ? nil : []
    }

    /// Whether all who may read the project may read the same of it.
    ///
    /// Not where forks or developers save beside the shared scope: what they have put there is not for the others.
    package var isOneForAll: Bool {
        self.rules.mode == .shared && !self.rules.forksSave && !self.rules.developersSave
    }

    /// Whether there is anything to read at all.
    package var mayReadAnything: Bool { self.visibleScopes.map { !$0.isEmpty } ?? true }

    /// The scopes whose entries may be listed, for a request that names `scope`; `nil` for all.
    package func listedScopes(asserting scope: Scope?) -> [Scope]? {
        let principal = self.principal(asserting: scope)
        if Policy.decide(principal, .list, .project(self.project), self.rules).isAllowed { return scope.map { [$0] } }
        return (scope.map { [$0] } ?? Policy.scopes(of: principal, self.rules)).filter {
            Policy.decide(principal, .list, .scope($0, self.project), self.rules).isAllowed
        }
    }

    /// Whether figures that are sums over all scopes may be told; where not, the project is as if it did not exist.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `forbidden` and the rule, where the project is no secret.
    package func admitToFigures() throws(CacheError) -> Bool {
        let principal = self.principal()
        let decision = Policy.decide(principal, .list, .project(self.project), self.rules)
        if decision.isAllowed { return true }
        guard Policy.knows(principal, self.project, self.rules) else { return false }
        guard self.rules.mode == .shared, self.listedScopes(asserting: nil)?.contains(.shared) ?? true else {
            throw Self.denial(decision)
        }
        return true
    }

    private func mayRead(_ scope: Scope, _ principal: Principal) -> Bool {
        Policy.decide(principal, .read, .scope(scope, self.project), self.rules).isAllowed
    }

    // MARK: Changing

    /// The scope that a save goes to.
    ///
    /// - Parameters:
    ///   - scope: The scope that the request names.
    ///   - isReplacing: Whether it may take the place of another entry.
    /// - Returns: The scope.
    /// - Throws: ``CacheModel/CacheError`` with code `forbidden` and the rule.
    package func writeScope(asserting scope: Scope?, isReplacing: Bool) throws(CacheError) -> Scope {
        let principal = self.principal(asserting: scope)
        guard let target = scope ?? principal.scope else {
            throw Self.denial(
                Decision(
                    isAllowed: false,
                    rule: principal.tier.rule,
                    reason: "\(principal.tier.rawValue) has no scope to save to"
                )
            )
        }
        for action in isReplacing ? [AccessAction.save, .replace] : [.save] {
            let decision = Policy.decide(principal, action, .scope(target, self.project), self.rules)
            guard decision.isAllowed else { throw Self.denial(decision) }
        }
        return target
    }

    /// The scope whose entries a request may remove, bring back, pin or unpin; `nil` for all.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `forbidden` and the rule.
    package func changedScope(_ action: AccessAction, asserting scope: Scope?) throws(CacheError) -> Scope? {
        let principal = self.principal(asserting: scope)
        let whole = Policy.decide(principal, action, .project(self.project), self.rules)
        if whole.isAllowed { return scope }
        guard let target = scope ?? principal.scope else { throw Self.denial(whole) }
        let decision = Policy.decide(principal, action, .scope(target, self.project), self.rules)
        guard decision.isAllowed else { throw Self.denial(decision) }
        return target
    }

    // MARK: Before a handler runs

    /// Whether a request may go on: what it wants must be allowed somewhere in the project.
    ///
    /// A handler that is let in still asks for the scopes, which may be none: then its answer is that for what does not
    /// exist.
    ///
    /// - Parameters:
    ///   - actions: One of these must be possible.
    ///   - scope: The scope in the request's query.
    /// - Throws: ``CacheModel/CacheError`` with code `forbidden` and the rule, where the project is no secret.
    package func admit(anyOf actions: [AccessAction], asserting scope: Scope?) throws(CacheError) {
        let principal = self.principal(asserting: scope)
        if actions.contains(where: { self.isPossible($0, principal, isNamed: scope != nil) }) { return }
        let isReading = actions.allSatisfy { [.read, .list].contains($0) }
        if isReading, !Policy.knows(principal, self.project, self.rules) { return }
        let action = actions.first ?? .administer
        let resource = principal.scope.map { Resource.scope($0, self.project) } ?? .project(self.project)
        throw Self.denial(Policy.decide(principal, action, resource, self.rules))
    }

    private func isPossible(_ action: AccessAction, _ principal: Principal, isNamed: Bool) -> Bool {
        if Policy.decide(principal, action, .project(self.project), self.rules).isAllowed { return true }
        let isSomewhere = Policy.scopes(of: principal, self.rules).contains {
            Policy.decide(principal, action, .scope($0, self.project), self.rules).isAllowed
        }
        // The body may name the scope.
        return isSomewhere
            || (!isNamed && self.choosesScope && principal.tier != .stranger && principal.actions.contains(action))
    }

    private var choosesScope: Bool { self.credential.choosesScope }

    /// What somebody is told who may not do something.
    package static func denial(_ decision: Decision) -> CacheError {
        CacheError(
            .forbidden,
            "rule \(decision.rule) does not allow this: \(decision.reason); cachectl policy explain tells more"
        )
    }
}

extension AccessControl {
    /// What a credential may do in a project.
    package func access(_ credential: Credential, to project: ProjectName) -> ProjectAccess {
        ProjectAccess(credential, project, self.rules(project))
    }

    /// Lets a request about the whole server go on.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `forbidden` and the rule.
    package func admit(_ credential: Credential, to action: AccessAction) throws(CacheError) {
        let decision = Policy.decide(credential.serverPrincipal, action, .server)
        guard decision.isAllowed else { throw ProjectAccess.denial(decision) }
    }
}

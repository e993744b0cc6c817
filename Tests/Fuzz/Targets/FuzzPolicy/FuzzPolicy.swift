import AccessPolicy
import CacheModel
import Support

// Who may do what: for every credential, project, scope and action the table never traps and never lets anybody but an
// administrator write outside of the principal's own scope.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var feed = Feed(start, count)
    let rules = rules(&feed)
    let project = feed.choice(projects)
    let credential = credential(&feed)
    let principal = credential.principal(for: project, rules, asserting: feed.flag() ? scope(&feed) : nil)
    checkPrincipal(principal, of: credential, in: project, rules)
    checkReadChain(principal, in: project, rules)
    let target = scope(&feed) ?? principal.scope ?? .shared
    for action in AccessAction.allCases {
        for other in projects { check(principal, action, .scope(target, other), rules) }
        check(principal, action, .project(project), rules)
        check(principal, action, .server, rules)
        check(credential.serverPrincipal, action, .server, rules)
    }
    return 0
}

private let projects = ["acme/shop", "acme/other", "evil/shop"].compactMap { try? ProjectName($0) }
private let writes: Set<AccessAction> = [.save, .replace, .remove, .pin]

private func isSame(_ one: Scope?, _ other: Scope) -> Bool {
    one.map { $0.text.utf8.elementsEqual(other.text.utf8) } ?? false
}

private func check(_ principal: Principal, _ action: AccessAction, _ resource: Resource, _ rules: ProjectRules) {
    let decision = Policy.decide(principal, action, resource, rules)
    require(!decision.rule.isEmpty && !decision.reason.isEmpty, "a decision without a reason")
    guard decision.isAllowed else { return }
    // A function, because making this text takes longer than all decisions.
    func what() -> String { "\(principal) may \(action) \(resource) under \(rules): \(decision)" }
    require(principal.tier != .stranger && principal.actions.contains(action), what())
    let isAdministrator = principal.tier == .administrator
    switch resource {
    case .scope(let scope, let project):
        require(principal.projects.covers(project), what())
        require(isAdministrator || !writes.contains(action) || isSame(principal.scope, scope), what())
        require(![.untrusted, .auditor].contains(principal.tier) || !writes.contains(action), what())
        require(principal.tier != .fork || !writes.contains(action) || rules.forksSave && action == .save, what())
    case .project(let project):
        require(principal.projects.covers(project), what())
        require(isAdministrator || action == .list, what())
    case .server:
        require(isAdministrator || principal.tier == .auditor && !writes.contains(action) && action != .read, what())
        require(isAdministrator || action != .administer, what())
    }
}

private func checkReadChain(_ principal: Principal, in project: ProjectName, _ rules: ProjectRules) {
    let chain = Policy.readChain(principal, in: project, rules)
    require(Set(chain).count == chain.count && chain.count <= 3, "a chain with a scope twice: \(chain)")
    for scope in chain {
        let decision = Policy.decide(principal, .read, .scope(scope, project), rules)
        require(decision.isAllowed, "\(principal) searches \(scope) but may not read there")
    }
    if let own = principal.scope, chain.contains(own) { require(chain.first == own, "the own scope is not the first") }
}

private func checkPrincipal(
    _ principal: Principal,
    of credential: Credential,
    in project: ProjectName,
    _ rules: ProjectRules
) {
    func what() -> String { "\(credential) is \(principal) in \(project) under \(rules)" }
    switch credential {
    case .open: require(principal.tier == .administrator, what())
    case .token(let grant):
        require(grant.projects.covers(project) || principal.tier == .stranger, what())
        require(principal.actions.isSubset(of: grant.actions), what())
        require(principal.tier != .administrator || grant.role == .administrator, what())
        let isPersonal = principal.scope.map { $0.text.utf8.starts(with: "dev/".utf8) } ?? true
        require(grant.role != .developer || isPersonal, what())
        if grant.role == .job, grant.scope == .asserted {
            require(principal.scope.map { !isProtected($0, rules) } ?? true, what())
        }
    case .job(let job):
        require(job.project == project || principal.tier == .stranger, what())
        require(principal.tier != .administrator && principal.tier != .auditor, what())
        require(job.isTrusted || [.fork, .untrusted, .stranger].contains(principal.tier), what())
        if case .pullRequest(_, _, let isFork) = job.ref {
            let own = principal.scope.map { Array($0.text.utf8) }
            let isOfPullRequest = own.map { $0.starts(with: "pr/".utf8) } ?? true
            require(isOfPullRequest || !isFork && rules.mode == .shared && principal.scope == .shared, what())
        }
    }
}

/// Whether a scope is protected, by its bytes.
private func isProtected(_ scope: Scope, _ rules: ProjectRules) -> Bool {
    let bytes = Array(scope.text.utf8)
    guard rules.mode == .isolated else { return false }
    if bytes.starts(with: "tag/".utf8) { return true }
    guard bytes.starts(with: "branch/".utf8) else { return false }
    let branch = Array(bytes.dropFirst(7))
    return branch == Array(rules.defaultBranch.utf8)
        || rules.protectedBranches.contains { pattern in
            // Only patterns with one star at the end are judged here.
            let bytes = Array(pattern.utf8)
            guard bytes.last == UInt8(ascii: "*"), !bytes.dropLast().contains(UInt8(ascii: "*")) else { return false }
            return branch.starts(with: bytes.dropLast())
        }
}

private func rules(_ feed: inout Feed) -> ProjectRules {
    ProjectRules(
        mode: feed.choice([.shared, .isolated]),
        defaultBranch: feed.flag() ? feed.text() : "main",
        protectedBranches: (0..<feed.number(below: 3)).map { _ in feed.flag() ? feed.text() : "release/*" },
        forksRead: feed.flag(),
        forksSave: feed.flag(),
        developersSave: feed.flag()
    )
}

private func scope(_ feed: inout Feed) -> Scope? {
    switch feed.number(below: 7) {
    case 0: .shared
    case 1: Scope.branch("main")
    case 2: Scope.branch(feed.text())
    case 3: Scope.pullRequest(feed.text())
    case 4: Scope.tag(feed.text())
    case 5: Scope.developer(feed.text())
    default: try? Scope(feed.text())
    }
}

private func credential(_ feed: inout Feed) -> Credential {
    switch feed.number(below: 8) {
    case 0: .open
    case 1, 2, 3: .token(grant(&feed))
    default: .job(identity(&feed))
    }
}

private func grant(_ feed: inout Feed) -> Grant {
    let projects = (try? ProjectPattern(feed.choice(["acme/shop", "acme/*", "*", "evil/*"]))) ?? .all
    let scopes: [Grant.ScopeGrant] = [.asserted, .assertedWithProtected, .fixed(scope(&feed) ?? .shared)]
    let actions = Set(AccessAction.allCases.filter { _ in !feed.flag() })
    return Grant(
        name: "token:1",
        role: feed.choice(Grant.Role.allCases),
        projects: projects,
        scope: feed.choice(scopes),
        actions: actions
    )
}

private func identity(_ feed: inout Feed) -> JobIdentity {
    let ref: JobIdentity.Ref =
        switch feed.number(below: 5) {
        case 0: .branch(feed.flag() ? "main" : feed.text())
        case 1: .tag(feed.text())
        case 2: .unknown
        default:
            .pullRequest(number: feed.text(), base: feed.flag() ? feed.text() : nil, isFork: feed.flag())
        }
    return JobIdentity(name: "ci:job", project: feed.choice(projects), ref: ref, isTrusted: feed.flag())
}

import AccessPolicy
import CacheModel
import Testing

/// The table of rules, written down by hand: what each tier may do in a scope, by the scope's relation to it.
///
/// `r` read, `l` list, `s` save, `e` replace, `d` remove, `p` pin, `a` audit, `m` administer.
private let rulesTable = """
    rule tier           own     base    main    shared  protected branch  other   tag     foreign
    R1   main           rlsp    -       -       -       -         -       -       -       -
    R2   release        rlsp    -       rl      -       -         -       -       -       -
    R3   branch         rlsed   -       r       -       -         -       -       -       -
    R4   pull-request   rlsed   r       r       -       -         -       -       -       -
    R5   fork           rl      -       -       -       -         -       -       -       -
    R6   untrusted      -       r       r       -       -         -       -       -       -
    R7   tag            rls     -       r       -       -         -       -       -       -
    R8   developer      rld     -       rl      -       -         -       -       -       -
    R9   auditor        l       l       l       l       l         l       l       l       -
    R10  admin          rlsedp  rlsedp  rlsedp  rlsedp  rlsedp    rlsedp  rlsedp  rlsedp  -
    R11  stranger       -       -       -       -       -         -       -       -       -
    """

private let letters: [Character: AccessAction] = [
    "r": .read, "l": .list, "s": .save, "e": .replace, "d": .remove, "p": .pin, "a": .audit, "m": .administer,
]

@Suite struct RulesTableTests {
    private static let project = ProjectName.sample("acme/shop")
    private static let tiers: [String: Tier] = [
        "main": .main, "release": .release, "branch": .branch, "pull-request": .pullRequest, "fork": .fork,
        "untrusted": .untrusted, "tag": .tag, "developer": .developer, "auditor": .auditor, "admin": .administrator,
        "stranger": .stranger,
    ]

    /// A scope with each relation to the principal of ``principal(_:)``.
    private static let resources: [String: Resource] = [
        "own": .scope(.sample("branch/mine"), project), "base": .scope(.sample("branch/next"), project),
        "main": .scope(.sample("branch/main"), project), "shared": .scope(.shared, project),
        "protected": .scope(.sample("branch/release/9"), project),
        "branch": .scope(.sample("branch/theirs"), project), "other": .scope(.sample("pr/99"), project),
        "tag": .scope(.sample("tag/v9"), project), "foreign": .scope(.sample("branch/mine"), .sample("other/shop")),
    ]

    private func principal(_ tier: Tier) throws -> Principal {
        Principal(
            name: "test",
            tier: tier,
            projects: ProjectPattern(Self.project),
            scope: .sample("branch/mine"),
            base: .sample("branch/next")
        )
    }

    @Test func `all 792 cases are as the table says`() throws {
        let rows = rulesTable.split(separator: "\n").map { $0.split(separator: " ") }
        let relations = rows[0].dropFirst(2).map(String.init)
        let rules = ProjectRules(mode: .isolated)
        var cases = 0
        for row in rows.dropFirst() {
            let tier = try #require(Self.tiers[String(row[1])])
            #expect(tier.rule == row[0])
            for (relation, cell) in zip(relations, row.dropFirst(2)) {
                let allowed = Set(cell.compactMap { letters[$0] })
                let resource = try #require(Self.resources[relation])
                for action in AccessAction.allCases {
                    let decision = Policy.decide(try self.principal(tier), action, resource, rules)
                    #expect(decision.isAllowed == allowed.contains(action), "\(tier) \(action) in \(relation) scope")
                    #expect(decision.rule == (relation == "foreign" ? "R11" : tier.rule))
                    #expect(!decision.reason.isEmpty)
                    cases += 1
                }
            }
        }
        #expect(cases == 792)
    }

    @Test func `the scopes of the table have the relations of its columns`() throws {
        let rules = ProjectRules(mode: .isolated)
        for relation in ScopeRelation.allCases {
            guard case .scope(let scope, let project)? = Self.resources[relation.rawValue] else {
                Issue.record("no scope for \(relation)")
                continue
            }
            let found = Policy.relation(of: scope, in: project, to: try self.principal(.branch), rules)
            #expect(found == relation)
        }
    }

    @Test(arguments: Tier.allCases)
    func `whole projects are for administrators, and their listings for auditors`(_ tier: Tier) throws {
        for action in AccessAction.allCases {
            let decision = Policy.decide(try self.principal(tier), action, .project(Self.project))
            let isAllowed =
                switch tier {
                case .administrator: action != .audit && action != .administer
                case .auditor: action == .list
                default: false
                }
            #expect(decision.isAllowed == isAllowed, "\(tier) \(action)")
        }
    }

    @Test(arguments: Tier.allCases)
    func `the server is for those whose credential is for all projects`(_ tier: Tier) throws {
        var principal = try self.principal(tier)
        for action in AccessAction.allCases {
            #expect(!Policy.decide(principal, action, .server).isAllowed)
        }
        principal.projects = .all
        let allowed = AccessAction.allCases.filter { Policy.decide(principal, $0, .server).isAllowed }
        switch tier {
        case .administrator: #expect(allowed == AccessAction.allCases)
        case .auditor: #expect(allowed == [.list, .audit])
        default: #expect(allowed == [])
        }
    }

    @Test func `an operator can let forks read and save, and developers save`() throws {
        var rules = ProjectRules(mode: .isolated)
        #expect(!Policy.allows(.fork, .read, .main, rules) && !Policy.allows(.fork, .save, .own, rules))
        #expect(!Policy.allows(.developer, .save, .own, rules))
        rules.forksRead = true
        #expect(Policy.allows(.fork, .read, .main, rules) && Policy.allows(.fork, .read, .base, rules))
        #expect(!Policy.allows(.fork, .save, .own, rules))
        rules.forksSave = true
        rules.developersSave = true
        #expect(Policy.allows(.fork, .save, .own, rules) && !Policy.allows(.fork, .replace, .own, rules))
        #expect(Policy.allows(.developer, .save, .own, rules) && !Policy.allows(.developer, .save, .main, rules))
        for relation in ScopeRelation.allCases where relation != .own {
            #expect(!Policy.allows(.fork, .save, relation, rules))
        }
    }

    @Test(arguments: Tier.allCases)
    func `a credential's actions limit its tier, and never add to it`(_ tier: Tier) throws {
        let rules = ProjectRules(mode: .isolated)
        for limit in AccessAction.allCases {
            var principal = try self.principal(tier)
            principal.actions = [limit]
            for action in AccessAction.allCases {
                for resource in Self.resources.values {
                    let whole = Policy.decide(try self.principal(tier), action, resource, rules).isAllowed
                    let limited = Policy.decide(principal, action, resource, rules).isAllowed
                    #expect(limited == (whole && action == limit))
                }
            }
        }
    }

    @Test func `what is said about foreign projects does not depend on the credential`() throws {
        let foreign = Resource.scope(.shared, .sample("other/shop"))
        let denials = try Tier.allCases.flatMap { tier in
            try AccessAction.allCases.map { action in
                var principal = try self.principal(tier)
                principal.actions = [.read]
                return Policy.decide(principal, action, foreign)
            }
        }
        #expect(Set(denials).count == 1)
        #expect(denials.first?.rule == "R11")
    }
}

extension ProjectName {
    /// A name that is known to be one.
    static func sample(_ text: String) -> Self {
        guard let name = try? Self(text) else { preconditionFailure("\(text) is no project") }
        return name
    }
}

extension Scope {
    /// A scope that is known to be one.
    static func sample(_ text: String) -> Self {
        guard let scope = try? Self(text) else { preconditionFailure("\(text) is no scope") }
        return scope
    }
}

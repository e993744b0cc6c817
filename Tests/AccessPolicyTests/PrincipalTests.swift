import AccessPolicy
import CacheModel
import Testing

@Suite struct PrincipalTests {
    private let project = ProjectName.sample("acme/shop")
    private let shared = ProjectRules()
    private let isolated = ProjectRules(mode: .isolated)

    private func job(_ ref: JobIdentity.Ref, trusted: Bool = true) -> Credential {
        .job(JobIdentity(name: "ci", project: self.project, ref: ref, isTrusted: trusted))
    }

    private func token(_ role: Grant.Role, _ projects: String, _ scope: String = "shared") throws -> Credential {
        .token(
            Grant(
                name: "token:1",
                role: role,
                projects: try ProjectPattern(projects),
                scope: try Grant.ScopeGrant(scope)
            )
        )
    }

    /// What a credential becomes, as `tier scope chain`.
    private func view(_ credential: Credential, _ rules: ProjectRules, asserting scope: String? = nil) throws -> String
    {
        let asserted = try scope.map { try Scope($0) }
        let principal = credential.principal(for: self.project, rules, asserting: asserted)
        let chain = Policy.readChain(principal, in: self.project, rules).map(\.text).joined(separator: ">")
        return "\(principal.tier.rawValue) \(principal.scope?.text ?? "-") \(chain.isEmpty ? "-" : chain)"
    }

    @Test func `jobs of an isolated project have the scope of their ref`() throws {
        let fork = JobIdentity.Ref.pullRequest(number: "7", base: "next", isFork: true)
        let own = JobIdentity.Ref.pullRequest(number: "7", base: "next", isFork: false)
        let cases: [(Credential, String)] = [
            (self.job(.branch("main")), "main branch/main branch/main"),
            (self.job(.branch("release/1")), "release branch/release/1 branch/release/1>branch/main"),
            (self.job(.branch("x")), "branch branch/x branch/x>branch/main"),
            (self.job(.tag("v1")), "tag tag/v1 tag/v1>branch/main"),
            (self.job(own), "pull-request pr/7 pr/7>branch/next>branch/main"),
            (self.job(.pullRequest(number: "7", base: nil, isFork: false)), "pull-request pr/7 pr/7>branch/main"),
            (self.job(.pullRequest(number: "7", base: "main", isFork: false)), "pull-request pr/7 pr/7>branch/main"),
            (self.job(fork), "fork pr/7 pr/7"),
            (self.job(fork, trusted: false), "fork pr/7 pr/7"),
            (self.job(own, trusted: false), "untrusted - branch/next>branch/main"),
            (self.job(.branch("main"), trusted: false), "untrusted - branch/main"),
            (self.job(.tag("v1"), trusted: false), "untrusted - branch/main"),
            (self.job(.unknown), "untrusted - branch/main"),
        ]
        for (credential, expected) in cases { #expect(try self.view(credential, self.isolated) == expected) }
        var rules = self.isolated
        rules.forksRead = true
        #expect(try self.view(self.job(fork), rules) == "fork pr/7 pr/7>branch/next>branch/main")
        rules.defaultBranch = "trunk"
        #expect(try self.view(self.job(.branch("main")), rules) == "branch branch/main branch/main>branch/trunk")
    }

    @Test func `jobs of a shared project have one scope, and forks one of their own`() throws {
        let fork = JobIdentity.Ref.pullRequest(number: "7", base: "main", isFork: true)
        for ref in [JobIdentity.Ref.branch("main"), .branch("x"), .tag("v1")] {
            #expect(try self.view(self.job(ref), self.shared) == "branch shared shared")
        }
        let own = self.job(.pullRequest(number: "7", base: "main", isFork: false))
        #expect(try self.view(own, self.shared) == "pull-request shared shared")
        #expect(try self.view(self.job(fork), self.shared) == "fork pr/7 pr/7")
        var rules = self.shared
        rules.forksRead = true
        #expect(try self.view(self.job(fork), rules) == "fork pr/7 pr/7>shared")
        #expect(try self.view(self.job(.unknown), self.shared) == "untrusted - shared")
    }

    @Test func `a job cannot choose its scope`() throws {
        for ref in [JobIdentity.Ref.branch("x"), .tag("v1"), .unknown] {
            let credential = self.job(ref)
            for rules in [self.shared, self.isolated] {
                #expect(
                    try self.view(credential, rules, asserting: "branch/main") == self.view(credential, rules)
                )
            }
        }
    }

    @Test func `names that cannot be scopes make a job untrusted`() throws {
        for name in ["", String(repeating: "x", count: 300), "a\nb"] {
            #expect(try self.view(self.job(.branch(name)), self.isolated) == "untrusted - branch/main")
            #expect(try self.view(self.job(.tag(name)), self.isolated) == "untrusted - branch/main")
        }
        let number = JobIdentity.Ref.pullRequest(number: "a\u{1}", base: "b\u{2}", isFork: false)
        #expect(try self.view(self.job(number), self.isolated) == "pull-request - branch/main")
    }

    @Test func `a branch that only looks like the default branch is not it`() throws {
        var rules = self.isolated
        rules.defaultBranch = "caf\u{e9}"
        rules.protectedBranches = ["r\u{e9}lease/*"]
        #expect(try self.view(self.job(.branch("caf\u{e9}")), rules).hasPrefix("main "))
        #expect(try self.view(self.job(.branch("cafe\u{301}")), rules).hasPrefix("branch "))
        #expect(try self.view(self.job(.branch("re\u{301}lease/1")), rules).hasPrefix("branch "))
        #expect(try self.view(self.job(.branch("Main")), self.isolated).hasPrefix("branch "))
        #expect(try self.view(self.job(.branch("main ")), self.isolated).hasPrefix("branch "))
    }

    @Test func `a token with a fixed scope stays in it`() throws {
        let cases: [(scope: String, isolated: String, shared: String)] = [
            ("shared", "untrusted - branch/main", "branch shared shared"),
            ("branch/main", "main branch/main branch/main", "untrusted - shared"),
            ("branch/release/1", "release branch/release/1 branch/release/1>branch/main", "untrusted - shared"),
            ("branch/x", "branch branch/x branch/x>branch/main", "untrusted - shared"),
            ("tag/v1", "tag tag/v1 tag/v1>branch/main", "untrusted - shared"),
            ("pr/7", "pull-request pr/7 pr/7>branch/main", "pull-request pr/7 pr/7>shared"),
            ("fork/eve/shop", "fork fork/eve/shop fork/eve/shop", "fork fork/eve/shop fork/eve/shop"),
            ("dev/ann", "untrusted - branch/main", "untrusted - shared"),
            ("nightly", "untrusted - branch/main", "pull-request nightly nightly>shared"),
        ]
        for (scope, isolated, shared) in cases {
            let credential = try self.token(.job, "acme/shop", scope)
            #expect(try self.view(credential, self.isolated) == isolated, "\(scope)")
            #expect(try self.view(credential, self.isolated, asserting: "branch/main") == isolated, "\(scope)")
            #expect(try self.view(credential, self.shared) == shared, "\(scope)")
        }
    }

    @Test func `a token that may choose gets no protected scope unless it says so`() throws {
        let asserted = try self.token(.job, "acme/*", "asserted")
        let all = try self.token(.job, "acme/*", "asserted-with-protected")
        let cases: [(scope: String?, asserted: String, all: String)] = [
            (nil, "untrusted - branch/main", "untrusted - branch/main"),
            ("branch/x", "branch branch/x branch/x>branch/main", "branch branch/x branch/x>branch/main"),
            ("pr/7", "pull-request pr/7 pr/7>branch/main", "pull-request pr/7 pr/7>branch/main"),
            ("branch/main", "untrusted - branch/main", "main branch/main branch/main"),
            (
                "branch/release/1", "untrusted - branch/main",
                "release branch/release/1 branch/release/1>branch/main"
            ),
            ("tag/v1", "untrusted - branch/main", "tag tag/v1 tag/v1>branch/main"),
            ("dev/ann", "untrusted - branch/main", "untrusted - branch/main"),
            ("shared", "untrusted - branch/main", "untrusted - branch/main"),
        ]
        for (scope, expected, expectedOfAll) in cases {
            #expect(try self.view(asserted, self.isolated, asserting: scope) == expected, "\(scope ?? "none")")
            #expect(try self.view(all, self.isolated, asserting: scope) == expectedOfAll, "\(scope ?? "none")")
        }
        #expect(try self.view(asserted, self.shared) == "branch shared shared")
        #expect(try self.view(asserted, self.shared, asserting: "branch/main") == "untrusted - shared")
        #expect(try self.view(asserted, self.shared, asserting: "dev/ann") == "untrusted - shared")
    }

    @Test func `people have the scope of their name, operators any`() throws {
        let ann = try self.token(.developer, "*", "dev/ann")
        #expect(try self.view(ann, self.isolated) == "developer dev/ann dev/ann>branch/main")
        #expect(try self.view(ann, self.shared) == "developer dev/ann dev/ann>shared")
        #expect(try self.view(self.token(.developer, "*", "branch/main"), self.isolated) == "developer - branch/main")
        #expect(try self.view(self.token(.auditor, "*"), self.isolated) == "auditor - -")
        let admin = try self.token(.administrator, "*")
        #expect(try self.view(admin, self.isolated) == "administrator branch/main branch/main")
        #expect(try self.view(admin, self.isolated, asserting: "pr/1") == "administrator pr/1 pr/1>branch/main")
        #expect(try self.view(.open, self.shared, asserting: "fork/x") == "administrator fork/x fork/x>shared")
        #expect(try self.view(.open, self.shared) == "administrator shared shared")
    }

    @Test func `a credential for other projects makes a stranger`() throws {
        let credentials: [Credential] = [
            try self.token(.administrator, "acme/other"), try self.token(.job, "other/*", "asserted-with-protected"),
            try self.token(.auditor, "acme/shop2"), try self.token(.developer, "acm/*", "dev/ann"),
            .job(JobIdentity(name: "ci", project: .sample("acme/Shop"), ref: .branch("main"), isTrusted: true)),
        ]
        for credential in credentials {
            for rules in [self.shared, self.isolated] {
                #expect(try self.view(credential, rules, asserting: "branch/main").hasPrefix("stranger "))
                #expect(try self.view(credential, rules).hasSuffix(" -"))
            }
        }
    }

    @Test func `only those who may read or list something know of a project`() throws {
        func knows(_ credential: Credential, _ rules: ProjectRules) -> Bool {
            Policy.knows(credential.principal(for: self.project, rules, asserting: nil), self.project, rules)
        }
        #expect(knows(try self.token(.auditor, "*"), self.isolated))
        #expect(knows(self.job(.unknown), self.isolated))
        #expect(knows(self.job(.pullRequest(number: "7", base: nil, isFork: true)), self.isolated))
        #expect(!knows(try self.token(.administrator, "acme/other"), self.isolated))
        let limited = Grant(name: "t", role: .administrator, projects: .all, actions: [.save])
        #expect(knows(.token(limited), self.isolated))
    }
}

import CacheModel
import Testing

@testable import AccessPolicy

@Suite struct NamePatternTests {
    @Test(arguments: [
        ("release/*", "release/1", true), ("release/*", "release", false), ("*", "", true), ("", "", true),
        ("main", "main", true), ("main", "mainly", false), ("a*b*c", "a-b-b-c", true), ("a*b*c", "acb", false),
        ("*ab", "aab", true), ("ab*ab", "ab", false), ("a**b", "ab", true),
        ("release/*", "release/\u{301}x", true), ("\u{e9}", "e\u{301}", false),
    ]) func `a star stands for any text`(pattern: String, name: String, matches: Bool) {
        #expect(NamePattern(pattern).matches(name) == matches)
    }

    @Test func `a branch that only looks like the default branch is another one`() throws {
        let rules = ProjectRules(mode: .isolated, defaultBranch: "caf\u{e9}")
        let project = try ProjectName("acme/shop")
        for (branch, tier) in [("caf\u{e9}", Tier.main), ("cafe\u{301}", .branch)] {
            let job = JobIdentity(name: "ci", project: project, ref: .branch(branch), isTrusted: true)
            #expect(Credential.job(job).principal(for: project, rules, asserting: nil).tier == tier)
        }
    }
}

import AccessPolicy
import AccessRules
import CacheModel
import Foundation
import Logging
import Testing

@testable import CacheServer

struct AccessFileTests {
    private static let good = """
        default: {mode: shared, forks-read: true}
        issuers:
          github:
            provider: github
            url: https://token.actions.githubusercontent.com
            audience: https://cache.example.com
        projects:
          acme/shop:
            mode: isolated
            default-branch: trunk
            protected-branches: [trunk, "v*"]
            identities:
              - issuer: github
                claims: {repository_id: "42", repository_owner_id: ["7", "8"]}
                protected-claims: {environment: production}
          acme/blog: {}
        """

    @Test func `a file says whom to believe and what each project's rules are`() throws {
        let file = try AccessFile(Self.good, path: "access.yml")
        let shop = file.rules(of: try ProjectName("acme/shop"))
        #expect(shop.mode == .isolated && shop.defaultBranch == "trunk" && shop.protectedBranches == ["trunk", "v*"])
        #expect(shop.forksRead)
        #expect(file.rules(of: try ProjectName("acme/blog")).mode == .shared)
        #expect(file.rules(of: try ProjectName("else/where")).forksRead)
        #expect(file.identities.issuers.map(\.provider) == [.gitHub])
        #expect(
            file.identities.bindings.map(\.claims) == [["repository_id": ["42"], "repository_owner_id": ["7", "8"]]]
        )
        #expect(file.identities.bindings.map(\.protectedClaims) == [["environment": ["production"]]])
        #expect(try AccessFile("", path: "access.yml") == AccessFile())
    }

    @Test(arguments: [
        (
            "mode: isolated",
            "access.yml:1: the file has 'mode', which is not known; known are default, issuers, projects"
        ),
        ("default: {mode: open}", "access.yml:1: the mode is shared or isolated"),
        ("default:\n  forks-read: maybe", "access.yml:2: forks-read is true or false"),
        ("projects:\n  shop: {}", "access.yml:2: 'shop' is no project; it looks like owner/name"),
        ("projects: [a]", "access.yml:1: 'projects' is no mapping"),
        ("issuers:\n  x: {provider: bamboo}", "access.yml:2: issuer 'x' needs a provider: one of github, circleci"),
        ("issuers:\n  x: {provider: github, url: \"http://example.com\", audience: a}", "needs the https URL"),
        ("issuers:\n  x: {provider: github, url: \"https://example.com\"}", "needs the audience"),
        ("projects:\n  a/b:\n    identities:\n    - {issuer: x}", "access.yml:4: an identity of 'a/b' needs an issuer"),
        (
            "issuers: {x: {provider: circleci, url: \"https://example.com\", audience: a}}\n"
                + "projects:\n  a/b:\n    identities:\n    - {issuer: x, claims: {oidc.circleci.com/project-id: \"1\"}}",
            "access.yml:5: an identity of 'a/b' needs oidc.circleci.com/vcs-origin under 'claims'"
        ),
        ("a: b: c", "access.yml: "),
    ]) func `a mistake is told with its line and what is expected`(text: String, problem: String) throws {
        let error = try #require(throws: AccessFileProblems.self) { try AccessFile(text, path: "access.yml") }
        #expect(error.problems.joined(separator: "\n").contains(problem), "\(error)")
    }

    @Test func `another file comes into force, and a broken one does not`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "access-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (path, project) = (folder + "/access.yml", try ProjectName("acme/shop"))
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        #expect(throws: ConfigurationProblems.self) {
            try AccessFileWatch(path, isRequired: true, logger: logger)
        }
        let watch = try AccessFileWatch(path, isRequired: false, logger: logger)
        #expect(!watch.isThere && !watch.refresh())
        try Data(Self.good.utf8).write(to: URL(filePath: path), options: .atomic)
        #expect(watch.refresh() && watch.isThere && watch.rules(of: project).mode == .isolated)
        #expect(!watch.refresh())
        try Data("default: {mode: open}".utf8).write(to: URL(filePath: path), options: .atomic)
        #expect(!watch.refresh() && watch.rules(of: project).mode == .isolated)
        try FileManager.default.removeItem(atPath: path)
        #expect(!watch.refresh() && watch.rules(of: project).mode == .isolated)
        try Data("default: {}".utf8).write(to: URL(filePath: path), options: .atomic)
        #expect(watch.refresh() && watch.rules(of: project).mode == .shared)
    }
}

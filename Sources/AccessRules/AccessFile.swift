package import AccessPolicy
package import CacheModel
internal import Yams

/// The operator's decisions about projects and CI systems: `access.yml`.
///
/// ```yaml
/// default: {mode: shared}
/// issuers:
///   github: {provider: github, url: "https://token.actions.githubusercontent.com", audience: "https://cache.example.com"}
/// projects:
///   acme/shop:
///     mode: isolated
///     identities:
///       - {issuer: github, claims: {repository_id: "1234"}}
/// ```
package struct AccessFile: Sendable, Hashable {
    /// The rules of projects that are not named.
    package var defaultRules = ProjectRules()
    /// The rules of named projects.
    package var projects: [ProjectName: ProjectRules] = [:]
    /// Whom to believe, and which jobs belong to which project.
    package var identities = IdentityConfiguration()

    /// Creates a file that says nothing.
    package init() {}

    /// Reads a file.
    ///
    /// - Parameters:
    ///   - text: The file's text.
    ///   - path: The file's name, for problems.
    /// - Throws: ``AccessFileProblems`` with every problem there is, each with its line.
    package init(_ text: String, path: String) throws(AccessFileProblems) {
        var reader = AccessFileReader(path: path)
        do {
            if let document = try Yams.compose(yaml: text) { reader.read(document) }
        } catch {
            throw AccessFileProblems(problems: ["\(path): \(error)"])
        }
        guard reader.problems.isEmpty else { throw AccessFileProblems(problems: reader.problems) }
        self = reader.file
    }

    /// The rules of a project.
    package func rules(of project: ProjectName) -> ProjectRules { self.projects[project] ?? self.defaultRules }
}

/// Everything that is wrong with an access file.
package struct AccessFileProblems: Error, Hashable {
    /// One sentence each, with the line that it is about.
    package var problems: [String]
}

/// Puts an access file together and notes all that is wrong with it.
private struct AccessFileReader {
    let path: String
    var file = AccessFile()
    var problems: [String] = []

    private static let ruleNames = [
        "mode", "default-branch", "protected-branches", "forks-read", "forks-save", "developers-save",
    ]

    mutating func read(_ document: Node) {
        let parts = self.mapping(document, "the file", known: ["default", "issuers", "projects"])
        if let node = parts["default"] {
            self.file.defaultRules = self.rules(
                self.mapping(node, "'default'", known: Self.ruleNames),
                startingWith: ProjectRules()
            )
        }
        if let node = parts["issuers"] { self.readIssuers(node) }
        if let node = parts["projects"] { self.readProjects(node) }
    }

    // MARK: Issuers

    private mutating func readIssuers(_ node: Node) {
        for (name, node) in self.mapping(node, "'issuers'", known: nil).sorted(by: { $0.key < $1.key }) {
            let values = self.mapping(node, "issuer '\(name)'", known: ["provider", "url", "audience", "jwks-url"])
            let providers = IdentityIssuer.Provider.allCases.map(\.rawValue).joined(separator: ", ")
            guard let provider = self.text(values["provider"]).flatMap(IdentityIssuer.Provider.init(rawValue:)) else {
                self.complain(values["provider"] ?? node, "issuer '\(name)' needs a provider: one of \(providers)")
                continue
            }
            guard let url = self.text(values["url"]), WebOrigin(url) != nil else {
                self.complain(
                    values["url"] ?? node,
                    "issuer '\(name)' needs the https URL that its tokens have as 'iss', byte for byte"
                )
                continue
            }
            guard let audience = self.text(values["audience"]) else {
                self.complain(node, "issuer '\(name)' needs the audience that tokens for this server have as 'aud'")
                continue
            }
            if audience.hasPrefix("https://github.com/") || audience == url {
                self.complain(
                    values["audience"] ?? node,
                    "issuer '\(name)' needs an audience of this server's own: every token of the issuer may have this one"
                )
            }
            if self.file.identities.issuers.contains(where: { $0.url == url }) {
                self.complain(values["url"] ?? node, "there are two issuers with the URL of '\(name)'")
            }
            if let keys = values["jwks-url"], self.text(keys).flatMap({ WebOrigin($0) }) == nil {
                self.complain(keys, "the jwks-url of issuer '\(name)' is no https URL")
            }
            self.file.identities.issuers.append(
                IdentityIssuer(
                    name: name,
                    provider: provider,
                    url: url,
                    audience: audience,
                    keysURL: self.text(values["jwks-url"])
                )
            )
        }
    }

    // MARK: Projects

    private mutating func readProjects(_ node: Node) {
        for (name, node) in self.mapping(node, "'projects'", known: nil).sorted(by: { $0.key < $1.key }) {
            let values = self.mapping(node, "project '\(name)'", known: Self.ruleNames + ["identities"])
            guard let project = try? ProjectName(name) else {
                self.complain(node, "'\(name)' is no project; it looks like owner/name")
                continue
            }
            self.file.projects[project] = self.rules(values, startingWith: self.file.defaultRules)
            for identity in self.list(values["identities"], "the identities of '\(name)'") {
                self.readIdentity(identity, of: project)
            }
        }
    }

    private mutating func readIdentity(_ node: Node, of project: ProjectName) {
        let values = self.mapping(node, "an identity of '\(project)'", known: ["issuer", "claims", "protected-claims"])
        let name = self.text(values["issuer"]) ?? ""
        guard let issuer = self.file.identities.issuers.first(where: { $0.name == name }) else {
            self.complain(
                values["issuer"] ?? node,
                "an identity of '\(project)' needs an issuer that is among 'issuers'"
            )
            return
        }
        let claims = self.claims(values["claims"], "claims")
        let missing = issuer.provider.requiredClaims.filter { claims[$0] == nil }
        guard missing.isEmpty, !claims.isEmpty else {
            let wanted = missing.isEmpty ? "at least one claim" : missing.joined(separator: " and ")
            self.complain(
                values["claims"] ?? node,
                "an identity of '\(project)' needs \(wanted) under 'claims': what nobody but the CI system can choose"
            )
            return
        }
        self.file.identities.bindings.append(
            IdentityBinding(
                project: project,
                issuer: name,
                claims: claims,
                protectedClaims: self.claims(values["protected-claims"], "protected-claims")
            )
        )
    }

    private mutating func claims(_ node: Node?, _ name: String) -> [String: [String]] {
        guard let node else { return [:] }
        var claims: [String: [String]] = [:]
        for (claim, node) in self.mapping(node, "'\(name)'", known: nil) {
            let values = node.sequence.map { $0.compactMap { self.text($0) } } ?? self.text(node).map { [$0] } ?? []
            if values.isEmpty || values.contains("") {
                self.complain(node, "claim '\(claim)' needs a text or a list of texts")
            }
            claims[claim] = values
        }
        return claims
    }

    private mutating func rules(_ values: [String: Node], startingWith rules: ProjectRules) -> ProjectRules {
        var rules = rules
        if let node = values["mode"] {
            if let mode = self.text(node).flatMap(ProjectMode.init(rawValue:)) {
                rules.mode = mode
            } else {
                self.complain(node, "the mode is shared or isolated")
            }
        }
        if let node = values["default-branch"] {
            let branch = self.text(node) ?? ""
            if Scope.branch(branch) == nil || branch.isEmpty {
                self.complain(node, "default-branch is a branch's name")
            }
            rules.defaultBranch = branch
        }
        if let node = values["protected-branches"] {
            for node in self.list(node, "protected-branches") where self.text(node) == nil {
                self.complain(node, "protected-branches has something that is no name; quote it")
            }
            rules.protectedBranches = self.list(node, "protected-branches").compactMap { self.text($0) }
        }
        for (name, path) in [
            ("forks-read", \ProjectRules.forksRead), ("forks-save", \.forksSave), ("developers-save", \.developersSave),
        ] {
            guard let node = values[name] else { continue }
            switch self.text(node) {
            case "true": rules[keyPath: path] = true
            case "false": rules[keyPath: path] = false
            default: self.complain(node, "\(name) is true or false")
            }
        }
        return rules
    }

    // MARK: Nodes

    private mutating func mapping(_ node: Node, _ what: String, known: [String]?) -> [String: Node] {
        if node.scalar?.string.isEmpty ?? false { return [:] }
        guard let mapping = node.mapping else {
            self.complain(node, "\(what) is no mapping")
            return [:]
        }
        var values: [String: Node] = [:]
        for (key, value) in mapping {
            let name = key.scalar?.string ?? ""
            if let known, !known.contains(name) {
                self.complain(
                    key,
                    "\(what) has '\(name)', which is not known; known are \(known.joined(separator: ", "))"
                )
            } else if values.updateValue(value, forKey: name) != nil {
                self.complain(key, "\(what) has '\(name)' twice")
            }
        }
        return values
    }

    private mutating func list(_ node: Node?, _ what: String) -> [Node] {
        guard let node else { return [] }
        guard let sequence = node.sequence else {
            self.complain(node, "\(what) is no list")
            return []
        }
        return Array(sequence)
    }

    private func text(_ node: Node?) -> String? {
        guard let text = node?.scalar?.string, !text.isEmpty else { return nil }
        return text
    }

    private mutating func complain(_ node: Node, _ problem: String) {
        let line = node.mark.map { ":\($0.line)" } ?? ""
        self.problems.append("\(self.path)\(line): \(problem)")
    }
}

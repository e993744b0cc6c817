// Logins in the files in which tools keep them.

/// Lines such as `name = value` that hold a secret.
private struct AssignmentRule: Sendable {
    var check: SecretChecks
    var separators: String
    /// The names, in lower case.
    var names: [String]
    /// Whether a name need only end with one of them.
    var isSuffix = false
    var kind: FoundSecret.Kind
    var what: String

    static let all: [AssignmentRule] = [
        .init(
            check: .npm,
            separators: "=",
            names: ["_authtoken", "_password", "_auth"],
            isSuffix: true,
            kind: .registryLogin,
            what: "the login of an npm registry"
        ),
        .init(
            check: .yarn,
            separators: ":",
            names: ["npmauthtoken", "npmauthident"],
            kind: .registryLogin,
            what: "the login of an npm registry"
        ),
        .init(
            check: .packageIndex,
            separators: "=:",
            names: ["password"],
            kind: .registryLogin,
            what: "the password of a package index"
        ),
        .init(
            check: .gradle,
            separators: "=:",
            names: ["token", "password", "secret", "apikey", "api_key", "secretkey"],
            isSuffix: true,
            kind: .registryLogin,
            what: "a password or token in Gradle's properties"
        ),
        .init(check: .namedToken, separators: "=", names: ["token"], kind: .registryLogin, what: "a registry's token"),
        .init(
            check: .gem,
            separators: ":",
            names: ["api_key"],
            isSuffix: true,
            kind: .registryLogin,
            what: "the key of a gem server"
        ),
        .init(
            check: .kubernetes,
            separators: ":",
            names: ["client-key-data", "token", "password"],
            kind: .clusterLogin,
            what: "the login of a Kubernetes cluster"
        ),
        .init(
            check: .aws,
            separators: "=",
            names: ["aws_secret_access_key", "aws_session_token", "secret_key", "gs_secret_access_key"],
            kind: .cloudLogin,
            what: "the secret key of a cloud account"
        ),
        .init(
            check: .environment,
            separators: "=",
            names: ["aws_secret_access_key", "aws_session_token", "azure_client_secret"],
            isSuffix: true,
            kind: .cloudLogin,
            what: "the secret key of a cloud account"
        ),
        .init(
            check: .codeHost,
            separators: ":",
            names: ["oauth_token"],
            kind: .gitLogin,
            what: "the token of a git server"
        ),
        .init(
            check: .password,
            separators: "=",
            names: ["password"],
            isSuffix: true,
            kind: .password,
            what: "a password"
        ),
    ]
}

extension SecretText {
    /// What the file holds, at most one of each kind.
    func hits(_ checks: SecretChecks) -> [SecretHit] {
        var hits: [SecretHit] = []
        func look(_ check: SecretChecks, _ find: () -> SecretHit?) {
            guard checks.contains(check), let hit = find() else { return }
            if !hits.contains(where: { $0.kind == hit.kind }) { hits.append(hit) }
        }
        look(.privateKey, self.privateKey)
        look(.keyStore, self.keyStore)
        for rule in AssignmentRule.all { look(rule.check) { self.assignment(rule) } }
        look(.git, self.gitLogin)
        look(.url) { self.url(kind: .registryLogin) }
        look(.netrc, self.netrc)
        look(.docker, self.docker)
        look(.composer, self.composer)
        look(.maven, self.maven)
        look(.nuget, self.nuget)
        look(.bundler, self.bundler)
        look(.serviceAccount, self.serviceAccount)
        look(.cloudDocument, self.cloudDocument)
        look(.onlyToken, self.onlyToken)
        // A token is told as such only if no better name for it was found.
        if hits.isEmpty { look(.token, self.token) }
        return hits
    }

    private func assignment(_ rule: AssignmentRule) -> SecretHit? {
        // Others have files named config, too.
        if rule.check == .kubernetes, !self.contains("clusters:"), !self.contains("kind: Config") { return nil }
        for line in self.lines {
            guard let (name, value) = line.assignment(rule.separators), value.isSecret else { continue }
            let isNamed = rule.isSuffix ? rule.names.contains(where: name.hasSuffix) : rule.names.contains(name)
            guard isNamed else { continue }
            // The password of a trust store protects nothing.
            if name.hasSuffix("truststorepassword") { continue }
            return SecretHit(kind: rule.kind, what: rule.what, line: line.number)
        }
        return nil
    }

    // MARK: git

    private func gitLogin() -> SecretHit? {
        for line in self.lines {
            guard let (name, value) = line.assignment("="), name == "extraheader" else { continue }
            let header = value.lowercased()
            guard header.hasPrefix("authorization:"), let secret = value.split(separator: " ").last else { continue }
            guard String(secret).isSecret else { continue }
            return SecretHit(kind: .gitLogin, what: "the login of a git server (extraheader)", line: line.number)
        }
        return self.url(kind: .gitLogin)
    }

    /// A URL with a password, or with a token instead of a name.
    private func url(kind: FoundSecret.Kind) -> SecretHit? {
        for position in self.positions(of: "://") {
            let scheme = self.bytes[..<position].suffix(5)
            guard scheme.suffix(4).elementsEqual("http".utf8) || scheme.elementsEqual("https".utf8) else { continue }
            let host = self.text(from: position + 3, upTo: "/ \t\r\n\"'<>()`,")
            guard let at = host.lastIndex(of: "@") else { continue }
            let parts = host[..<at].split(separator: ":", maxSplits: 1)
            guard let user = parts.first else { continue }
            let secret = parts.count > 1 ? String(parts[1]) : user.utf8.count >= 20 ? String(user) : ""
            guard secret.isSecret else { continue }
            return SecretHit(kind: kind, what: "a password or token in a URL", line: self.line(at: position))
        }
        return nil
    }

    // MARK: Registries

    private func netrc() -> SecretHit? {
        for line in self.lines {
            let words = line.text.split(whereSeparator: \.isWhitespace)
            for (word, value) in zip(words, words.dropFirst()) where word == "password" && String(value).isSecret {
                return SecretHit(kind: .password, what: "a password", line: line.number)
            }
        }
        return nil
    }

    private func docker() -> SecretHit? {
        guard self.contains("\"auths\"") || self.contains("\"https://index.docker.io/v1/\"") else { return nil }
        return self.first(
            of: ["\"auth\"", "\"identitytoken\"", "\"registrytoken\"", "\"password\""],
            kind: .registryLogin,
            what: "the login of an image registry"
        )
    }

    private func composer() -> SecretHit? {
        let sections: [StaticString] = [
            "\"http-basic\"", "\"github-oauth\"", "\"gitlab-token\"", "\"gitlab-oauth\"", "\"bearer\"",
            "\"bitbucket-oauth\"",
        ]
        for section in sections {
            guard let start = self.position(of: section) else { continue }
            // The values of the section's first object; its names are followed by a colon.
            let text = self.text(from: start + section.utf8CodeUnitCount, upTo: "}")
            let words = text.split(separator: "\"", omittingEmptySubsequences: false)
            for index in words.indices where index % 2 == 1 && index + 1 < words.count {
                let isName = words[index + 1].drop(while: \.isWhitespace).first == ":"
                guard !isName, String(words[index]).isSecret else { continue }
                return SecretHit(
                    kind: .registryLogin,
                    what: "the login of a package registry (Composer)",
                    line: self.line(at: start)
                )
            }
        }
        return nil
    }

    private func maven() -> SecretHit? {
        for tag: StaticString in ["<password>", "<passphrase>", "<master>"] {
            for position in self.positions(of: tag) {
                let value = self.text(from: position + tag.utf8CodeUnitCount, upTo: "<").trimmed(" \t\r\n")
                guard value.isSecret else { continue }
                let line = self.line(at: position)
                return SecretHit(kind: .registryLogin, what: "the password of a Maven server", line: line)
            }
        }
        return nil
    }

    private func nuget() -> SecretHit? {
        for position in self.positions(of: "ClearTextPassword") {
            guard let value = self.position(of: "value=\"", from: position), value - position < 64 else { continue }
            guard self.text(from: value + 7, upTo: "\"").isSecret else { continue }
            let line = self.line(at: position)
            return SecretHit(kind: .registryLogin, what: "the password of a NuGet source", line: line)
        }
        return nil
    }

    /// Bundler has the login of a gem server under the server's name: `BUNDLE_GEMS__EXAMPLE__COM: "user:password"`.
    private func bundler() -> SecretHit? {
        for line in self.lines where line.text.hasPrefix("BUNDLE_") {
            guard let (name, value) = line.assignment(":"), name.contains("__"), !value.contains("/") else { continue }
            let parts = value.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, String(parts[1]).isSecret else { continue }
            return SecretHit(kind: .registryLogin, what: "the login of a gem server", line: line.number)
        }
        return nil
    }

    // MARK: Clouds

    private func serviceAccount() -> SecretHit? {
        guard self.contains("\"private_key\""), let hit = self.privateKey() else { return nil }
        return SecretHit(kind: .cloudLogin, what: "the private key of a service account", line: hit.line)
    }

    private func cloudDocument() -> SecretHit? {
        if let hit = self.serviceAccount() { return hit }
        return self.first(
            of: [
                "\"refresh_token\"", "\"refreshToken\"", "\"accessToken\"", "\"client_secret\"", "\"clientSecret\"",
                "\"servicePrincipalKey\"", "\"secret\"", "\"token\"",
            ],
            kind: .cloudLogin,
            what: "the login of a cloud account",
            count: 16
        )
    }

    private func first(
        of names: [StaticString],
        kind: FoundSecret.Kind,
        what: String,
        count: Int = 4
    ) -> SecretHit? {
        for name in names {
            for (value, position) in self.strings(named: name) where value.utf8.count >= count && value.isSecret {
                // A token has no spaces; a translated text has.
                guard !value.contains(" ") else { continue }
                return SecretHit(kind: kind, what: what, line: self.line(at: position))
            }
        }
        return nil
    }

    private func onlyToken() -> SecretHit? {
        guard let line = self.lines.first, line.text.utf8.count >= 20, line.text.isSecret else { return nil }
        return SecretHit(kind: .token, what: "a token", line: line.number)
    }
}

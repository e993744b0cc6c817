package import CacheModel

/// Which CI systems the server believes, and which of their jobs belong to which project.
package struct IdentityConfiguration: Sendable, Hashable {
    /// The systems.
    package var issuers: [IdentityIssuer]
    /// The projects' jobs.
    package var bindings: [IdentityBinding]

    /// Creates a configuration.
    package init(issuers: [IdentityIssuer] = [], bindings: [IdentityBinding] = []) {
        self.issuers = issuers
        self.bindings = bindings
    }
}

/// A system that signs identity tokens.
package struct IdentityIssuer: Sendable, Hashable {
    /// How a system writes what a job runs for.
    package enum Provider: String, Sendable, Hashable, CaseIterable {
        case gitHub = "github"
        case circleCI = "circleci"
        case gitLab = "gitlab"
        /// Any other: the claims `ref_type` (`branch`, `tag`), `ref`, and `trusted`.
        case generic
    }

    /// The name that bindings refer to.
    package var name: String
    /// How it writes its claims.
    package var provider: Provider
    /// The `iss` of its tokens, byte for byte.
    package var url: String
    /// What the `aud` of a token for this server must contain.
    package var audience: String
    /// Where its keys are; `nil` to ask the issuer itself.
    package var keysURL: String?

    /// Creates an issuer.
    package init(name: String, provider: Provider, url: String, audience: String, keysURL: String? = nil) {
        self.name = name
        self.provider = provider
        self.url = url
        self.audience = audience
        self.keysURL = keysURL
    }
}

/// Which jobs of a system belong to a project.
package struct IdentityBinding: Sendable, Hashable {
    /// The project.
    package var project: ProjectName
    /// The name of the issuer.
    package var issuer: String
    /// What all tokens must say, such as the immutable `repository_id`; each claim has one of the values.
    package var claims: [String: [String]]
    /// What tokens must say beside that to be trusted with protected branches and tags.
    package var protectedClaims: [String: [String]]

    /// Creates a binding.
    package init(
        project: ProjectName,
        issuer: String,
        claims: [String: [String]],
        protectedClaims: [String: [String]] = [:]
    ) {
        self.project = project
        self.issuer = issuer
        self.claims = claims
        self.protectedClaims = protectedClaims
    }

    /// Whether claims have what this binding asks of all tokens.
    package func fits(_ claims: Claims) -> Bool { Self.fits(self.claims, claims) }

    /// Whether claims have what this binding asks where a branch or tag is protected.
    package func fitsProtected(_ claims: Claims) -> Bool { Self.fits(self.protectedClaims, claims) }

    private static func fits(_ wanted: [String: [String]], _ claims: Claims) -> Bool {
        wanted.allSatisfy { name, values in
            let found = claims.text(name).map { [$0] } ?? claims.list(name)
            return found.contains { text in values.contains { $0.hasSameBytes(as: text) } }
        }
    }
}

extension IdentityIssuer.Provider {
    /// The claims that a binding must name, because nobody but the system can choose or reuse them.
    ///
    /// CircleCI's project is the parent's also in builds of forks, if forks get secrets; only the origin tells them apart.
    package var requiredClaims: [String] {
        switch self {
        case .gitHub: ["repository_id"]
        case .circleCI: ["oidc.circleci.com/project-id", "oidc.circleci.com/vcs-origin"]
        case .gitLab: ["project_id"]
        case .generic: []
        }
    }
}

extension String {
    /// Compares bytes: Swift's strings are also equal if they only look the same.
    package func hasSameBytes(as other: String) -> Bool { self.utf8.elementsEqual(other.utf8) }
}

package import CacheModel

// The JSON bodies of the exchange of identity tokens.

/// A CI system's identity token.
package struct ExchangeRequest: Codable, Sendable {
    package var token: String

    package init(token: String) { self.token = token }
}

/// A job's session.
package struct ExchangeResponse: Codable, Sendable {
    /// What to send as credential; `nil` on a server that needs none.
    package var token: String?
    /// When the session ends by itself.
    package var expiresAt: Timestamp?
    /// The project that the job belongs to.
    package var project: ProjectName?
    /// The scope that the job saves to, if it has one.
    package var scope: Scope?
    /// How far the job is trusted.
    package var tier: String?

    package init(
        token: String? = nil,
        expiresAt: Timestamp? = nil,
        project: ProjectName? = nil,
        scope: Scope? = nil,
        tier: String? = nil
    ) {
        self.token = token
        self.expiresAt = expiresAt
        self.project = project
        self.scope = scope
        self.tier = tier
    }
}

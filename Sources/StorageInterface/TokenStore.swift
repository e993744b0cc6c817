package import AccessPolicy
package import CacheModel

/// A token as it is stored: everything but its secret.
package struct TokenRecord: Hashable, Sendable {
    /// The public identifier, which is part of the token's text.
    package var id: String
    /// What people call it.
    package var name: String
    /// The SHA-256 of the secret.
    package var secret: Digest
    /// What its holder may do.
    package var grant: Grant
    package var createdAt: Timestamp
    package var expiresAt: Timestamp
    package var revokedAt: Timestamp?
    /// About when it was last used: to the minute, and lost in a crash.
    package var lastUsedAt: Timestamp?

    package init(
        id: String,
        name: String,
        secret: Digest,
        grant: Grant,
        createdAt: Timestamp,
        expiresAt: Timestamp,
        revokedAt: Timestamp? = nil,
        lastUsedAt: Timestamp? = nil
    ) {
        self.id = id
        self.name = name
        self.secret = secret
        self.grant = grant
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
        self.lastUsedAt = lastUsedAt
    }
}

/// Where tokens are kept.
///
/// Each method is one transaction; tokens are never deleted.
package protocol TokenStore: Sendable {
    /// All tokens, also those that have expired or were revoked, in the order of their making.
    func tokens() async throws -> [TokenRecord]

    /// Keeps a new token; it is durable when the call returns.
    ///
    /// - Throws: ``CacheError`` with code `alreadyExists` if the identifier is taken.
    func addToken(_ token: TokenRecord) async throws

    /// Revokes a token; one that is revoked already stays as it is.
    ///
    /// - Returns: The token, or `nil` if there is none with this identifier.
    func revokeToken(_ id: String, at now: Timestamp) async throws -> TokenRecord?

    /// Notes when tokens were last used; an earlier moment than the known one changes nothing.
    func noteTokenUses(_ uses: [String: Timestamp]) async throws
}

internal import AccessPolicy
internal import CacheModel
internal import StorageInterface

/// What somebody who makes a token asks for.
package struct TokenWish: Sendable {
    /// How long tokens live unless told otherwise.
    package static let defaultLifetime = Duration.seconds(90 * 86_400)
    /// The longest life of a token.
    package static let longestLifetime = Duration.seconds(3_660 * 86_400)

    /// What people call it: 1 to 64 letters, digits, `.`, `_` or `-`.
    package var name: String
    /// `job`, `developer`, `auditor` or `admin`.
    package var role: String
    /// `owner/name`, `owner/*` or `*`.
    package var projects: String
    /// A scope, `asserted` or `asserted-with-protected`; only for jobs.
    package var scope: String?
    /// The actions it is limited to; `nil` for all that the role has.
    package var actions: [String]?
    /// How long it lives.
    package var lifetime: Duration?

    package init(
        name: String,
        role: String,
        projects: String,
        scope: String? = nil,
        actions: [String]? = nil,
        lifetime: Duration? = nil
    ) {
        self.name = name
        self.role = role
        self.projects = projects
        self.scope = scope
        self.actions = actions
        self.lifetime = lifetime
    }

    /// What is stored of a token with this text.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest`.
    func record(_ text: TokenText, at now: Timestamp) throws(CacheError) -> TokenRecord {
        let isNamed = self.name.utf8.allSatisfy { byte in
            Base62.digits.contains(byte) || [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")].contains(byte)
        }
        guard isNamed, (1...64).contains(self.name.utf8.count) else {
            throw CacheError(.invalidRequest, "a token's name has 1 to 64 letters, digits, '.', '_' or '-'")
        }
        let lifetime = self.lifetime ?? Self.defaultLifetime
        guard lifetime > .zero, lifetime <= Self.longestLifetime else {
            throw CacheError(.invalidRequest, "a token lives at most 10 years, and longer than nothing; 90d is usual")
        }
        return TokenRecord(
            id: text.id,
            name: self.name,
            secret: text.digest,
            grant: try self.grant(text.id),
            createdAt: now,
            expiresAt: now + lifetime
        )
    }

    private func grant(_ id: String) throws(CacheError) -> Grant {
        guard let role = Grant.Role(rawValue: self.role) else {
            let roles = Grant.Role.allCases.map(\.rawValue).joined(separator: ", ")
            throw CacheError(.invalidRequest, "there is no role '\(self.role)'; there are \(roles)")
        }
        guard role == .job || self.scope == nil else {
            throw CacheError(.invalidRequest, "only a job's token has a scope; a developer's is always dev/NAME")
        }
        var actions = Set(AccessAction.allCases)
        if let words = self.actions {
            actions = []
            for word in words {
                guard let action = AccessAction(rawValue: word) else {
                    let known = AccessAction.allCases.map(\.rawValue).joined(separator: ", ")
                    throw CacheError(.invalidRequest, "there is no action '\(word)'; there are \(known)")
                }
                actions.insert(action)
            }
            guard !actions.isEmpty else { throw CacheError(.invalidRequest, "a token without actions is of no use") }
        }
        let scope: Grant.ScopeGrant
        switch role {
        case .developer: scope = try Grant.ScopeGrant("dev/\(self.name)")
        default: scope = try self.scope.map { text throws(CacheError) in try Grant.ScopeGrant(text) } ?? .fixed(.shared)
        }
        return Grant(
            name: "token:\(id)",
            role: role,
            projects: try ProjectPattern(self.projects),
            scope: scope,
            actions: actions
        )
    }
}

public import CacheModel

/// A public key that a client trusts, perhaps for one tier of jobs only.
public struct TrustedKey: Hashable, Sendable {
    /// The tier, such as `protected`; `nil` for none in particular.
    public var tier: String?
    /// The key.
    public var key: VerificationKey

    /// Creates a trusted key.
    public init(_ key: VerificationKey, tier: String? = nil) {
        self.tier = tier
        self.key = key
    }
}

/// Which entries a client restores; everything that it does not allow is a miss.
public struct TrustPolicy: Hashable, Sendable {
    /// Whose signature an entry needs.
    public enum Requirement: Hashable, Sendable {
        /// Nobody's.
        case none
        /// That of any key that is trusted.
        case anyKey
        /// That of a key that is trusted for this tier.
        case tier(String)

        /// Reads `none`, `any`, or the name of a tier.
        public init(_ text: String) {
            switch text {
            case "none": self = .none
            case "any": self = .anyKey
            default: self = .tier(text)
            }
        }
    }

    /// Whose signature an entry needs.
    public var requirement: Requirement
    /// The keys that are trusted.
    public var keys: [TrustedKey]
    /// How old an entry may be.
    ///
    /// Its age is that of the signature, where one is needed.
    public var maximumAge: Duration?

    /// Creates a policy.
    public init(requirement: Requirement = .none, keys: [TrustedKey] = [], maximumAge: Duration? = nil) {
        self.requirement = requirement
        self.keys = keys
        self.maximumAge = maximumAge
    }

    /// Tells why an entry must not be restored.
    ///
    /// - Parameters:
    ///   - entry: What the server offers.
    ///   - project: The project that was asked for.
    ///   - pattern: The key that was asked for.
    ///   - now: The client's clock.
    /// - Returns: A part of a sentence, or `nil` if the entry may be restored.
    public func objection(
        to entry: Entry,
        in project: ProjectName,
        for pattern: KeyPattern,
        at now: Timestamp
    ) -> String? {
        if self.requirement == .none { return self.objection(toAgeSince: entry.createdAt, at: now) }
        guard entry.project == project, pattern.matches(entry.key) else {
            return "it is '\(entry.key)' of \(entry.project), which was not asked for"
        }
        guard let signature = entry.signature else { return "it is not signed" }
        guard SignedContent(entry).isSigned(by: signature) else {
            return "its signature is not that of its content"
        }
        let trusted = self.keys.filter { $0.key.bytes == signature.key }
        guard !trusted.isEmpty else {
            return "it is signed with the unknown key \(VerificationKey(bytes: signature.key))"
        }
        if case .tier(let tier) = self.requirement, !trusted.contains(where: { $0.tier == tier }) {
            let tiers = trusted.compactMap(\.tier).joined(separator: ", ")
            return "it is signed with a key \(tiers.isEmpty ? "of no tier" : "of tier \(tiers)"), not of tier \(tier)"
        }
        if let end = signature.expiresAt, end <= now { return "it has expired at \(end)" }
        return self.objection(toAgeSince: signature.createdAt, at: now)
    }

    private func objection(toAgeSince moment: Timestamp, at now: Timestamp) -> String? {
        guard let limit = self.maximumAge, moment + limit < now else { return nil }
        return "it is from \(moment), older than \(Quantity.describe(limit))"
    }
}

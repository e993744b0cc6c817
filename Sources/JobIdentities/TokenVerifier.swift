package import AccessRules
package import CacheModel
internal import FoundationEssentials
internal import JWTKit
package import Logging

/// Checks identity tokens: everything about them but whom they are for.
///
/// Source of the rules: RFC 8725 (JSON Web Token Best Current Practices) and OpenID Connect Core 1.0, 3.1.3.7.
package struct TokenVerifier: Sendable {
    /// The most bytes of a token.
    package static let maximumLength = 16_384
    /// How far clocks may differ, in seconds.
    private static let skew = 60.0
    private static let algorithms: [String: JWK.KeyType] = ["RS256": .rsa, "ES256": .ecdsa, "EdDSA": .octetKeyPair]

    private let issuers: [(issuer: IdentityIssuer, keys: IssuerKeys)]

    /// Creates a verifier for some issuers.
    package init(
        _ issuers: [IdentityIssuer],
        logger: Logger,
        fetch: @escaping @Sendable (String) async throws -> [UInt8]
    ) {
        self.issuers = issuers.map { ($0, IssuerKeys($0, logger: logger, fetch: fetch)) }
    }

    /// The claims of a token whose signature, issuer, audience and times are right, and who issued it.
    ///
    /// - Throws: ``IdentityRefusal`` that names the rule that failed.
    package func verify(_ token: String, at now: Timestamp) async throws(IdentityRefusal) -> (IdentityIssuer, Claims) {
        guard token.utf8.count <= Self.maximumLength else { throw .tooLong }
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let header: Header = Self.decode(parts[0]), let claims: Claims = Self.decode(parts[1])
        else { throw .malformed }
        guard header.crit == nil else { throw .malformed }
        guard let algorithm = header.alg, let keyType = Self.algorithms[algorithm] else { throw .algorithm }
        guard
            let (issuer, keys) = self.issuers.first(where: { pair in
                claims.text("iss").map { $0.hasSameBytes(as: pair.issuer.url) } ?? false
            })
        else { throw .unknownIssuer }
        guard let name = header.kid else { throw .unknownKey }
        let key = try await keys.key(name, at: now)
        // A key is for one kind of signature, whatever a token says.
        guard key.keyType == keyType, key.algorithm.map({ $0.rawValue == algorithm }) ?? true else { throw .algorithm }
        try await Self.requireSignature(of: token, by: key, algorithm)
        try Self.requireTimes(claims, at: Double(now.milliseconds) / 1_000)
        guard claims.list("aud").contains(where: { $0.hasSameBytes(as: issuer.audience) }) else { throw .audience }
        return (issuer, claims)
    }

    private struct Header: Decodable {
        var alg: String?
        var kid: String?
        /// Extensions that a reader must understand (RFC 7515, 4.1.11); none is known here.
        var crit: [String]?
    }

    /// What is signed: the claims were read before and are compared by nobody else.
    private struct Signed: JWTPayload {
        func verify(using algorithm: some JWTAlgorithm) async throws {}
    }

    private static func requireSignature(
        of token: String,
        by key: JWK,
        _ algorithm: String
    ) async throws(IdentityRefusal) {
        var key = key
        key.algorithm = JWK.Algorithm(rawValue: algorithm)
        do {
            let collection = JWTKeyCollection()
            try await collection.add(jwk: key)
            _ = try await collection.verify(token, as: Signed.self)
        } catch {
            throw .signature
        }
    }

    private static func requireTimes(_ claims: Claims, at now: Double) throws(IdentityRefusal) {
        guard let end = claims.seconds("exp"), now < end + Self.skew else { throw .expired }
        for name in ["nbf", "iat"] {
            if let start = claims.seconds(name), now < start - Self.skew { throw .notYetValid }
        }
        guard claims.seconds("iat") != nil else { throw .notYetValid }
    }

    /// Decodes base64url without padding, as RFC 7515 asks for, and the JSON in it.
    private static func decode<Value: Decodable>(_ part: Substring) -> Value? {
        let isPlain = part.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x2d
                || $0 == 0x5f
        }
        guard isPlain else { return nil }
        let standard = part.replacing("-", with: "+").replacing("_", with: "/")
        let padded = standard + String(repeating: "=", count: (4 - standard.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: String(padded)) else { return nil }
        return try? JSONDecoder().decode(Value.self, from: data)
    }
}

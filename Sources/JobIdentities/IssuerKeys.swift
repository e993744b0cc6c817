package import AccessRules
package import CacheModel
internal import FoundationEssentials
package import JWTKit
package import Logging

/// The public keys of one issuer, fetched when they are needed and remembered for a while.
///
/// They are asked for at an address from the configuration only: a token's own `jku`, `jwk`, `x5u` or `x5c` are never
/// looked at. Redirects are not followed.
package actor IssuerKeys {
    /// How long keys are used without asking again.
    private static let freshness = Duration.seconds(600)
    /// How long keys are used if the issuer does not answer.
    private static let patience = Duration.seconds(86_400)
    /// The least time between two questions because of a key that is not known, or because the issuer failed.
    private static let pause = Duration.seconds(60)
    /// The same while there are no keys at all.
    private static let firstPause = Duration.seconds(5)
    private static let maximumKeys = 64

    private let issuer: IdentityIssuer
    private let fetch: @Sendable (String) async throws -> [UInt8]
    private let logger: Logger
    private var keys: [String: JWK] = [:]
    private var fetchedAt: Timestamp?
    private var askedAt: Timestamp?
    /// The question that is under way; whoever comes meanwhile waits for its answer.
    private var refreshing: Task<Void, Never>?

    /// Creates a store of keys.
    ///
    /// - Parameters:
    ///   - issuer: Whose keys.
    ///   - logger: Is told what goes wrong.
    ///   - fetch: Gets the bytes at a URL; see ``IssuerDocuments``.
    package init(
        _ issuer: IdentityIssuer,
        logger: Logger,
        fetch: @escaping @Sendable (String) async throws -> [UInt8]
    ) {
        self.issuer = issuer
        self.logger = logger
        self.fetch = fetch
    }

    /// The key with a name.
    ///
    /// - Throws: ``IdentityRefusal``: `unknownKey`, or `keysUnavailable`.
    package func key(_ name: String, at now: Timestamp) async throws(IdentityRefusal) -> JWK {
        let isFresh = self.fetchedAt.map { now < $0 + Self.freshness } ?? false
        if !isFresh || self.keys[name] == nil { await self.refreshOnce(at: now) }
        guard let fetchedAt = self.fetchedAt, now < fetchedAt + Self.patience else { throw .keysUnavailable }
        guard let key = self.keys[name] else { throw .unknownKey }
        return key
    }

    private func refreshOnce(at now: Timestamp) async {
        if let running = self.refreshing { return await running.value }
        guard self.askedAt.map({ now >= $0 + (self.keys.isEmpty ? Self.firstPause : Self.pause) }) ?? true else {
            return
        }
        self.askedAt = now
        let task = Task { await self.refresh(at: now) }
        self.refreshing = task
        await task.value
        self.refreshing = nil
    }

    private func refresh(at now: Timestamp) async {
        do {
            let address = try await self.keysAddress()
            let set = try JSONDecoder().decode(KeySet.self, from: Data(try await self.fetch(address)))
            guard set.keys.count <= Self.maximumKeys else {
                throw CacheError(
                    .invalidRequest,
                    "the issuer has \(set.keys.count) keys, more than \(Self.maximumKeys)"
                )
            }
            var keys: [String: JWK] = [:]
            for key in set.keys.compactMap(\.key) { if let name = key.keyIdentifier?.string { keys[name] = key } }
            self.keys = keys
            self.fetchedAt = now
        } catch {
            self.logger.warning(
                "the keys of an issuer cannot be fetched",
                metadata: ["issuer": "\(self.issuer.name)", "error": "\(error)"]
            )
        }
    }

    /// A key set of which some keys may be of kinds that nobody here knows.
    private struct KeySet: Decodable {
        struct Item: Decodable {
            var key: JWK?

            init(from decoder: any Decoder) throws { self.key = try? JWK(from: decoder) }
        }

        var keys: [Item]
    }

    private struct Discovery: Decodable {
        var issuer: String
        var jwks_uri: String
    }

    private func keysAddress() async throws -> String {
        if let address = self.issuer.keysURL { return address }
        let base = self.issuer.url.hasSuffix("/") ? String(self.issuer.url.dropLast()) : self.issuer.url
        let bytes = try await self.fetch(base + "/.well-known/openid-configuration")
        let document = try JSONDecoder().decode(Discovery.self, from: Data(bytes))
        guard document.issuer == self.issuer.url else {
            throw CacheError(.invalidRequest, "the issuer's own document names another issuer")
        }
        guard WebOrigin(document.jwks_uri) == WebOrigin(self.issuer.url), WebOrigin(self.issuer.url) != nil else {
            throw CacheError(
                .invalidRequest,
                "the issuer's keys are at another origin, '\(document.jwks_uri)'; if that is right, set jwks-url"
            )
        }
        return document.jwks_uri
    }
}

import AccessPolicy
import AccessRules
import CacheModel
import Crypto
import CryptoExtras
import Foundation
import JobIdentities
import Logging
import Synchronization

/// An issuer of identity tokens with keys of its own, and the documents that it serves.
final class TestIssuer: Sendable {
    static let url = "https://issuer.test"
    static let audience = "https://cache.test"
    static let now = Timestamp(milliseconds: 1_800_000_000_000)

    let elliptic = P256.Signing.PrivateKey()
    let edwards = Curve25519.Signing.PrivateKey()
    let rsa: _RSA.Signing.PrivateKey
    private let state = Mutex((documents: [String: String](), asked: [String]()))

    init() throws {
        self.rsa = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        self.serve("/.well-known/openid-configuration", #"{"issuer":"\#(Self.url)","jwks_uri":"\#(Self.url)/keys"}"#)
        self.serve("/keys", try self.keys())
    }

    /// The keys as the issuer publishes them.
    func keys(named suffix: String = "") throws -> String {
        let point = self.elliptic.publicKey.x963Representation
        let primitives = try self.rsa.publicKey.getKeyPrimitives()
        return """
            {"keys":[
            {"kty":"EC","crv":"P-256","kid":"ec\(suffix)","alg":"ES256",
             "x":"\(base64(point[1..<33]))","y":"\(base64(point[33..<65]))"},
            {"kty":"OKP","crv":"Ed25519","kid":"ed\(suffix)","alg":"EdDSA",
             "x":"\(base64(self.edwards.publicKey.rawRepresentation))"},
            {"kty":"RSA","kid":"rsa\(suffix)","n":"\(base64(primitives.modulus))","e":"\(base64(primitives.publicExponent))"}]}
            """
    }

    /// Serves a document from now on; `nil` for an error.
    func serve(_ path: String, _ document: String?) { self.state.withLock { $0.documents[Self.url + path] = document } }

    /// What was asked for so far.
    var asked: [String] { self.state.withLock { $0.asked } }

    @Sendable func fetch(_ address: String) throws -> [UInt8] {
        try self.state.withLock { state in
            state.asked.append(address)
            guard let document = state.documents[address] else { throw CacheError(.unavailable, "no '\(address)'") }
            return Array(document.utf8)
        }
    }

    /// The claims of a job of `acme/shop`'s main branch on GitHub.
    static func claims(_ changes: [String: Any?] = [:]) -> [String: Any] {
        let seconds = Self.now.milliseconds / 1_000
        var claims: [String: Any] = [
            "iss": Self.url, "aud": Self.audience, "iat": seconds - 10, "nbf": seconds - 10, "exp": seconds + 300,
            "jti": UUID().uuidString, "repository_id": "42", "repository": "acme/shop", "ref": "refs/heads/main",
            "ref_type": "branch", "event_name": "push", "sub": "repo:evil/corp:ref:refs/heads/main",
        ]
        for (name, value) in changes { claims[name] = value }
        return claims
    }

    /// Signs a token.
    func token(
        _ changes: [String: Any?] = [:],
        header: [String: Any] = [:],
        alg: String = "ES256",
        kid: String? = "ec"
    ) throws -> String {
        var head: [String: Any] = ["alg": alg, "typ": "JWT"]
        head["kid"] = kid
        head.merge(header) { $1 }
        let signed =
            try "\(base64(JSONSerialization.data(withJSONObject: head)))."
            + base64(JSONSerialization.data(withJSONObject: Self.claims(changes)))
        return try signed + "." + base64(self.signature(of: Data(signed.utf8), alg))
    }

    private func signature(of bytes: Data, _ algorithm: String) throws -> Data {
        switch algorithm {
        case "EdDSA": try self.edwards.signature(for: bytes)
        case "RS256": try self.rsa.signature(for: bytes, padding: .insecurePKCS1v1_5).rawRepresentation
        case "HS256":
            // The public key as a shared secret: the classic confusion.
            Data(
                HMAC<SHA256>.authenticationCode(
                    for: bytes,
                    using: SymmetricKey(data: Data(self.rsa.publicKey.pemRepresentation.utf8))
                )
            )
        case "none": Data()
        default: try self.elliptic.signature(for: bytes).rawRepresentation
        }
    }

    /// An exchange that believes this issuer.
    func exchange(
        _ rules: ProjectRules = ProjectRules(mode: .isolated),
        protectedClaims: [String: [String]] = [:],
        now: @escaping @Sendable () -> Timestamp = { TestIssuer.now }
    ) throws -> IdentityExchange {
        let project = try ProjectName("acme/shop")
        return IdentityExchange(
            IdentityConfiguration(
                issuers: [
                    IdentityIssuer(name: "github", provider: .gitHub, url: Self.url, audience: Self.audience)
                ],
                bindings: [
                    IdentityBinding(
                        project: project,
                        issuer: "github",
                        claims: ["repository_id": ["42"]],
                        protectedClaims: protectedClaims
                    )
                ]
            ),
            rules: { _ in rules },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            now: now,
            fetch: self.fetch
        )
    }
}

func base64(_ bytes: some DataProtocol) -> String {
    Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
}

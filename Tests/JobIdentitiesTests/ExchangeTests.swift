import AccessPolicy
import AccessRules
import CacheModel
import Foundation
import JobIdentities
import Synchronization
import Testing

struct ExchangeTests {
    @Test(arguments: [("ES256", "ec"), ("EdDSA", "ed"), ("RS256", "rsa")])
    func `a token of the issuer begins a session for its job`(alg: String, kid: String) async throws {
        let issuer = try TestIssuer()
        let exchange = try issuer.exchange()
        let session = try await exchange.exchange(issuer.token(alg: alg, kid: kid))
        #expect(session.identity.ref == .branch("main"))
        #expect(session.identity.isTrusted)
        #expect(session.expiresAt == TestIssuer.now + .seconds(300))
        let credential = try #require(exchange.sessions.credential(for: session.token, at: TestIssuer.now))
        #expect(credential == .job(session.identity))
        #expect(exchange.sessions.credential(for: session.token, at: session.expiresAt) == nil)
    }

    /// Each is one thing that must not be believed, and the rule that says so.
    static let forgeries: [(String, IdentityRefusal, @Sendable (TestIssuer) throws -> String)] = [
        ("no algorithm", .algorithm, { try $0.token(alg: "none") }),
        ("None in another case", .algorithm, { try $0.token(alg: "nOnE") }),
        ("the public key as a shared secret", .algorithm, { try $0.token(alg: "HS256", kid: "rsa") }),
        ("another hash of RSA", .algorithm, { try $0.token(header: ["alg": "RS512"], kid: "rsa") }),
        ("RSA-PSS", .algorithm, { try $0.token(header: ["alg": "PS256"], kid: "rsa") }),
        ("an algorithm that is a number", .malformed, { try $0.token(header: ["alg": 256]) }),
        ("a key of another kind", .algorithm, { try $0.token(alg: "ES256", kid: "ed") }),
        ("the RSA key used as another", .algorithm, { try $0.token(alg: "EdDSA", kid: "rsa") }),
        ("no key named", .unknownKey, { try $0.token(kid: nil) }),
        ("a key that the issuer doesn't have", .unknownKey, { try $0.token(kid: "mine") }),
        ("a name of a key that is a path", .unknownKey, { try $0.token(kid: "../../dev/null") }),
        ("a signature by another key of the kind", .signature, { _ in try TestIssuer().token() }),
        (
            "its own key in the header", .signature,
            { _ in
                let other = try TestIssuer()
                return try other.token(header: [
                    "jwk": ["kty": "EC", "crv": "P-256", "kid": "ec"], "jku": "https://evil.test",
                ])
            }
        ),
        (
            "a certificate chain in the header", .signature,
            { _ in
                try TestIssuer().token(header: ["x5c": ["MIIB"], "x5u": "https://evil.test/chain"])
            }
        ),
        ("a signature cut short", .signature, { String(try $0.token().dropLast(4)) }),
        ("no signature", .signature, { try $0.token().split(separator: ".").dropLast().joined(separator: ".") + "." }),
        (
            "claims that were changed", .signature,
            { issuer in
                let (one, two) = (try issuer.token(), try issuer.token(["repository_id": "43"]))
                let (first, second) = (one.split(separator: "."), two.split(separator: "."))
                return "\(first[0]).\(second[1]).\(first[2])"
            }
        ),
        ("another issuer", .unknownIssuer, { try $0.token(["iss": "https://evil.test"]) }),
        ("the issuer with a slash", .unknownIssuer, { try $0.token(["iss": TestIssuer.url + "/"]) }),
        ("the issuer in another case", .unknownIssuer, { try $0.token(["iss": TestIssuer.url.uppercased()]) }),
        ("no issuer", .unknownIssuer, { try $0.token(["iss": nil]) }),
        ("a list of issuers", .unknownIssuer, { try $0.token(["iss": [TestIssuer.url]]) }),
        ("another audience", .audience, { try $0.token(["aud": "https://other.test"]) }),
        ("an audience that starts like ours", .audience, { try $0.token(["aud": TestIssuer.audience + ".evil.test"]) }),
        ("no audience", .audience, { try $0.token(["aud": nil]) }),
        ("audiences that are no texts", .audience, { try $0.token(["aud": [1, 2]]) }),
        ("the past", .expired, { try $0.token(["exp": 1_799_999_000]) }),
        ("no end", .expired, { try $0.token(["exp": nil]) }),
        ("an end that is a text", .expired, { try $0.token(["exp": "1800000300"]) }),
        ("an end that no clock reaches", .expired, { try $0.token(["exp": 1e300]) }),
        ("the future", .notYetValid, { try $0.token(["nbf": 1_800_000_200]) }),
        ("made in the future", .notYetValid, { try $0.token(["iat": 1_800_000_200]) }),
        ("another repository", .unbound, { try $0.token(["repository_id": "43"]) }),
        ("the repository only by its name", .unbound, { try $0.token(["repository_id": nil]) }),
        ("four parts", .malformed, { try $0.token() + ".x" }),
        ("two parts", .malformed, { try $0.token().split(separator: ".").dropLast().joined(separator: ".") }),
        ("other base64", .malformed, { "+" + (try $0.token()) }),
        ("nothing", .malformed, { _ in "" }),
        ("a number that is too large for any header", .unknownKey, { try $0.token(header: ["x": 1e300], kid: "no") }),
        ("more than 16 KiB", .tooLong, { try $0.token(["x": String(repeating: "x", count: 20_000)]) }),
    ]

    @Test(arguments: forgeries.indices) func `what is forged is refused, with the rule that failed`(
        index: Int
    ) async throws {
        let issuer = try TestIssuer()
        let (what, refusal, make) = Self.forgeries[index]
        let exchange = try issuer.exchange()
        await #expect(throws: refusal, "\(what)") { try await exchange.exchange(make(issuer)) }
        #expect(!issuer.asked.contains { $0.contains("evil") })
    }

    @Test func `a token can be exchanged by each step of a job, but not for ever`() async throws {
        let issuer = try TestIssuer()
        let exchange = try issuer.exchange()
        for token in [try issuer.token(), try issuer.token(["jti": nil])] {
            for _ in 0..<64 { _ = try await exchange.exchange(token) }
            await #expect(throws: IdentityRefusal.replayed) { try await exchange.exchange(token) }
        }
    }

    @Test func `a session ends when it is told to`() async throws {
        let issuer = try TestIssuer()
        let exchange = try issuer.exchange()
        let session = try await exchange.exchange(issuer.token())
        exchange.sessions.end(session.token)
        #expect(exchange.sessions.credential(for: session.token, at: TestIssuer.now) == nil)
        #expect(exchange.sessions.credential(for: "tarns_", at: TestIssuer.now) == nil)
    }

    @Test func `keys are remembered, and asked for again only now and then`() async throws {
        let issuer = try TestIssuer()
        let clock = Mutex(TestIssuer.now)
        let exchange = try issuer.exchange(now: { clock.withLock { $0 } })
        for _ in 0..<3 { _ = try await exchange.exchange(issuer.token()) }
        for _ in 0..<3 {
            await #expect(throws: IdentityRefusal.unknownKey) { try await exchange.exchange(issuer.token(kid: "new")) }
        }
        #expect(issuer.asked.count == 2)
        // A new key is found once a minute has passed.
        issuer.serve("/keys", try issuer.keys(named: "-2"))
        clock.withLock { $0 = $0 + .seconds(61) }
        _ = try await exchange.exchange(issuer.token(kid: "ec-2"))
        #expect(issuer.asked.count == 4)
        // An issuer that fails does not stop the jobs, for a day.
        issuer.serve("/keys", nil)
        clock.withLock { $0 = $0 + .seconds(3_600) }
        let late: [String: Any?] = ["exp": 1_800_200_000, "iat": 1_800_000_000]
        _ = try await exchange.exchange(issuer.token(late, kid: "ec-2"))
        clock.withLock { $0 = $0 + .seconds(86_400) }
        await #expect(throws: IdentityRefusal.keysUnavailable) {
            try await exchange.exchange(issuer.token(late, kid: "ec-2"))
        }
    }

    @Test(arguments: [
        #"{"issuer":"https://other.test","jwks_uri":"https://issuer.test/keys"}"#,
        #"{"issuer":"https://issuer.test","jwks_uri":"https://169.254.169.254/keys"}"#,
        #"{"issuer":"https://issuer.test","jwks_uri":"http://issuer.test/keys"}"#, "[]", "",
    ]) func `an issuer's document that leads elsewhere is not followed`(document: String) async throws {
        let issuer = try TestIssuer()
        issuer.serve("/.well-known/openid-configuration", document)
        let exchange = try issuer.exchange()
        await #expect(throws: IdentityRefusal.keysUnavailable) { try await exchange.exchange(issuer.token()) }
        #expect(issuer.asked.count == 1)
    }

    @Test func `protected branches and tags may need more claims`() async throws {
        let issuer = try TestIssuer()
        let exchange = try issuer.exchange(protectedClaims: ["environment": ["production"]])
        let plain = try await exchange.exchange(issuer.token())
        #expect(!plain.identity.isTrusted)
        let fit = try await exchange.exchange(issuer.token(["environment": "production"]))
        #expect(fit.identity.isTrusted)
        let branch = try await exchange.exchange(issuer.token(["ref": "refs/heads/topic"]))
        #expect(branch.identity.isTrusted)
        let tag = try await exchange.exchange(issuer.token(["ref": "refs/tags/v1", "ref_type": "tag"]))
        #expect(!tag.identity.isTrusted)
    }
}

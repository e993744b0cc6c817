import AccessControl
import AccessPolicy
import CacheModel
import Foundation
import MemoryStorage
import StorageInterface
import Synchronization
import Testing

/// A clock that is set by hand.
private final class Clock: Sendable {
    private let time = Mutex(Timestamp(milliseconds: 1_000_000_000))
    var now: Timestamp { self.time.withLock { $0 } }
    func advance(_ duration: Duration) { self.time.withLock { $0 = $0 + duration } }
}

private struct Sessions: CredentialSource {
    func credential(for secret: String, at now: Timestamp) -> Credential? {
        guard secret == "tarns_good", let project = try? ProjectName("acme/shop") else { return nil }
        return .job(JobIdentity(name: "ci", project: project, ref: .branch("main"), isTrusted: true))
    }
}

@Suite struct AuthenticationTests {
    private let clock = Clock()
    private let store = MemoryCatalog()

    private func control(closed: Bool = false, _ additional: [any CredentialSource] = []) async throws -> AccessControl
    {
        let clock = self.clock
        return try await AccessControl(store: self.store, isClosed: closed, additional: additional, now: { clock.now })
    }

    private func refusal(_ control: AccessControl, _ value: String?) -> CredentialRefusal? {
        do throws(CredentialRefusal) {
            _ = try control.authenticate(value)
            return nil
        } catch {
            return error
        }
    }

    private func basic(_ text: String) -> String { "Basic " + Data(text.utf8).base64EncodedString() }

    private let wish = TokenWish(name: "ci", role: "job", projects: "acme/shop")

    @Test func `a server is open until its first token, and closed for ever after`() async throws {
        let control = try await self.control()
        #expect(!control.isClosed)
        #expect(try control.authenticate(nil) == .open)
        #expect(try control.authenticate("nonsense") == .open)
        let made = try await control.makeToken(self.wish)
        #expect(control.isClosed && self.refusal(control, nil) == CredentialRefusal.none)
        _ = try await control.revokeToken(made.record.id)
        #expect(control.isClosed && self.refusal(control, "Bearer \(made.text)") == .revoked)
        let again = try await self.control()
        #expect(again.isClosed && self.refusal(again, "Bearer \(made.text)") == .revoked)
        let empty = try await AccessControl(store: MemoryCatalog(), isClosed: true)
        #expect(self.refusal(empty, nil) == CredentialRefusal.none)
    }

    @Test func `a token is taken as bearer and as password`() async throws {
        let control = try await self.control()
        let (record, text) = try await control.makeToken(self.wish)
        for value in [
            "Bearer \(text)", "bearer \(text)", "Bearer  \(text)", self.basic("anybody:\(text)"),
            self.basic(":\(text)"),
        ] {
            #expect(try control.authenticate(value) == .token(record.grant), "\(value)")
        }
    }

    @Test func `each refusal has its reason`() async throws {
        let control = try await self.control()
        let (_, text) = try await control.makeToken(self.wish)
        let other = try await AccessControl(store: MemoryCatalog()).makeToken(self.wish).text
        let mistyped = String(text.dropLast()) + (text.hasSuffix("0") ? "1" : "0")
        let parts = text.split(separator: "_")
        let cases: [(String?, CredentialRefusal)] = [
            (nil, .none), ("", .none), (self.basic("user:"), .none), ("Bearer \(mistyped)", .mistyped),
            ("Bearer \(other)", .unknown), ("Bearer", .malformed), ("Bearer x", .malformed), (text, .malformed),
            ("Digest \(text)", .malformed), ("Basic !!!", .malformed), (self.basic("no colon"), .malformed),
            ("Bearer \(text), Bearer \(text)", .malformed), ("Bearer tarns_x", .unknown),
            ("Bearer tarn_\(parts[1])", .malformed), ("Bearer \(String(repeating: "x", count: 20_000))", .malformed),
        ]
        for (value, reason) in cases { #expect(self.refusal(control, value) == reason, "\(value ?? "none")") }
        #expect(Set(CredentialRefusal.allCases.map(\.message)).count == 6)
    }

    @Test func `a right identifier with another token's secret is unknown`() async throws {
        let control = try await self.control()
        let first = try await control.makeToken(self.wish)
        let wrong = try await AccessControl(store: MemoryCatalog()).makeToken(self.wish).text
        // The same identifier, another secret, and the checksum that belongs to them.
        let store = MemoryCatalog()
        var record = first.record
        record.id = String(wrong.split(separator: "_")[1])
        try await store.addToken(record)
        #expect(self.refusal(try await AccessControl(store: store), "Bearer \(wrong)") == .unknown)
    }

    @Test func `a token ends at its time, and only who knows it is told`() async throws {
        let control = try await self.control()
        var wish = self.wish
        wish.lifetime = .seconds(60)
        let (record, text) = try await control.makeToken(wish)
        #expect(record.expiresAt == self.clock.now + .seconds(60))
        self.clock.advance(.milliseconds(59_999))
        #expect(self.refusal(control, "Bearer \(text)") == nil)
        self.clock.advance(.milliseconds(1))
        #expect(self.refusal(control, "Bearer \(text)") == .expired)
        #expect(self.wish.lifetime == nil && TokenWish.defaultLifetime == .seconds(90 * 86_400))
    }

    @Test func `revocation is in force when the call returns`() async throws {
        let control = try await self.control()
        let (record, text) = try await control.makeToken(self.wish)
        #expect(self.refusal(control, "Bearer \(text)") == nil)
        let revoked = try await control.revokeToken(record.id)
        #expect(revoked.revokedAt == self.clock.now)
        #expect(self.refusal(control, "Bearer \(text)") == .revoked)
        self.clock.advance(.seconds(5))
        #expect(try await control.revokeToken(record.id).revokedAt == revoked.revokedAt)
        await #expect(throws: CacheError.self) { try await control.revokeToken("nobodysToken") }
    }

    @Test func `other sources are asked for what is no token`() async throws {
        let control = try await self.control(closed: true, [Sessions()])
        guard case .job(let job) = try control.authenticate("Bearer tarns_good") else {
            Issue.record("the session was not found")
            return
        }
        #expect(job.name == "ci")
        #expect(self.refusal(control, "Bearer tarns_bad") == .unknown)
    }

    @Test func `uses are noted to the minute, and stored when they are flushed`() async throws {
        let control = try await self.control()
        let (record, text) = try await control.makeToken(self.wish)
        _ = try control.authenticate("Bearer \(text)")
        #expect(try await self.store.tokens().first?.lastUsedAt == nil)
        try await control.flushUses()
        let first = try #require(try await self.store.tokens().first?.lastUsedAt)
        #expect(first.milliseconds % 60_000 == 0 && self.clock.now - first < .seconds(60))
        self.clock.advance(.seconds(120))
        _ = try control.authenticate("Bearer \(text)")
        try await control.flushUses()
        #expect(try await self.store.tokens().first?.lastUsedAt == first + .seconds(120))
        #expect(control.token(record.id)?.lastUsedAt == first + .seconds(120))
    }

    @Test(arguments: [
        TokenWish(name: "", role: "job", projects: "*"), TokenWish(name: "a b", role: "job", projects: "*"),
        TokenWish(name: "x", role: "root", projects: "*"), TokenWish(name: "x", role: "job", projects: "acme"),
        TokenWish(name: "x", role: "admin", projects: "*", scope: "shared"),
        TokenWish(name: "x", role: "job", projects: "*", actions: ["write"]),
        TokenWish(name: "x", role: "job", projects: "*", actions: []),
        TokenWish(name: "x", role: "job", projects: "*", lifetime: .zero),
        TokenWish(name: "x", role: "job", projects: "*", lifetime: .seconds(86_400 * 4_000)),
    ])
    func `what makes no sense makes no token`(wish: TokenWish) async throws {
        let control = try await self.control()
        let error = await #expect(throws: CacheError.self) { try await control.makeToken(wish) }
        #expect(error?.code == .invalidRequest)
        #expect(!control.isClosed)
    }

    @Test func `a developer's scope is that of the name`() async throws {
        let control = try await self.control()
        let made = try await control.makeToken(TokenWish(name: "ann", role: "developer", projects: "*"))
        #expect(made.record.grant.scope == .fixed(try Scope("dev/ann")))
    }
}

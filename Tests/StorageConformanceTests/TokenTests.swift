import AccessPolicy
import CacheModel
import LayerKernels
import MemoryStorage
import SQLiteCatalog
import StorageInterface
import Testing

struct TokenTests {
    private func store(_ kind: CatalogKind, _ directory: TemporaryDirectory) throws -> any TokenStore {
        switch kind {
        case .memory: MemoryCatalog()
        case .sqlite: try SQLiteCatalog(path: directory.path + "/catalog.sqlite", durability: .relaxed)
        }
    }

    private func token(_ id: String, at time: Int64 = 1, scope: String = "shared") throws -> TokenRecord {
        TokenRecord(
            id: id,
            name: "ci-\(id)",
            secret: SHA256.digest(of: Array(id.utf8)),
            grant: Grant(
                name: "token:\(id)",
                role: .job,
                projects: try ProjectPattern("acme/*"),
                scope: try Grant.ScopeGrant(scope),
                actions: [.read, .save]
            ),
            createdAt: Timestamp(milliseconds: time),
            expiresAt: Timestamp(milliseconds: time + 1_000)
        )
    }

    @Test(arguments: CatalogKind.allCases)
    func `tokens come back as they were, in the order of their making`(_ kind: CatalogKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try self.store(kind, directory)
        #expect(try await store.tokens() == [])
        let tokens = [
            try self.token("bbbbbbbbbbbb", at: 1, scope: "branch/main"),
            try self.token("aaaaaaaaaaaa", at: 2, scope: "asserted"),
            try self.token("cccccccccccc", at: 3, scope: "asserted-with-protected"),
        ]
        for token in tokens { try await store.addToken(token) }
        #expect(try await store.tokens() == tokens)
    }

    @Test(arguments: CatalogKind.allCases)
    func `an identifier is used once`(_ kind: CatalogKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try self.store(kind, directory)
        try await store.addToken(try self.token("aaaaaaaaaaaa"))
        let error = await #expect(throws: CacheError.self) {
            try await store.addToken(try self.token("aaaaaaaaaaaa", at: 5))
        }
        #expect(error?.code == .alreadyExists)
        #expect(try await store.tokens().map(\.createdAt.milliseconds) == [1])
    }

    @Test(arguments: CatalogKind.allCases)
    func `a token is revoked once and stays so`(_ kind: CatalogKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try self.store(kind, directory)
        for id in ["aaaaaaaaaaaa", "bbbbbbbbbbbb"] { try await store.addToken(try self.token(id)) }
        #expect(try await store.revokeToken("cccccccccccc", at: Timestamp(milliseconds: 5)) == nil)
        for time in [Int64(7), 9] {
            let revoked = try await store.revokeToken("aaaaaaaaaaaa", at: Timestamp(milliseconds: time))
            #expect(revoked?.revokedAt == Timestamp(milliseconds: 7))
        }
        #expect(try await store.tokens().map(\.revokedAt?.milliseconds) == [7, nil])
    }

    @Test(arguments: CatalogKind.allCases)
    func `the latest use counts`(_ kind: CatalogKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try self.store(kind, directory)
        try await store.addToken(try self.token("aaaaaaaaaaaa"))
        for time in [Int64(60), 120, 60] {
            try await store.noteTokenUses([
                "aaaaaaaaaaaa": Timestamp(milliseconds: time), "nobodysToken": Timestamp(milliseconds: 1),
            ])
        }
        #expect(try await store.tokens().map(\.lastUsedAt?.milliseconds) == [120])
    }
}

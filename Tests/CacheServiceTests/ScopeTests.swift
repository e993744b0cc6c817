import CacheModel
import MemoryStorage
import StorageInterface
import Testing

@testable import CacheService

/// Jobs of a project that do not trust each other.
struct ScopeTests {
    /// A job with its scope, the scopes that it reads from, and its name.
    private struct Job {
        let test: TestService
        let scope: Scope
        let chain: [Scope]
        let name: String

        init(_ test: TestService, _ scope: String, above: [String] = []) throws {
            self.test = test
            self.scope = try Scope(scope)
            self.chain = try [Scope(scope)] + above.map { try Scope($0) }
            self.name = "job of \(scope)"
        }

        var vantage: Vantage { Vantage(self.test.project, scopes: self.chain) }

        func saver(_ session: String) -> Saver {
            Saver(vantage: self.vantage, scope: self.scope, session: session, owner: self.name)
        }

        func known(_ layer: TestLayer, session: String = "session-known") async throws -> Layer? {
            try await self.test.service.knownLayers([layer.layer.treeDigest], for: self.saver(session))[0]
        }

        @discardableResult
        func save(_ key: String, _ layer: TestLayer, uploads: Bool = true) async throws -> SaveOutcome {
            let saver = self.saver("session-\(key)")
            if uploads {
                let missing = try await self.test.service.missing(layer.blobs.map(\.digest), for: saver)
                try await self.test.service.store(layer.blobs.filter { missing.contains($0.digest) }, for: saver)
            }
            return try await self.commit(key, layer)
        }

        func commit(_ key: String, _ layer: TestLayer) async throws -> SaveOutcome {
            var request = try self.test.request(key, layer.layer, session: "session-\(key)")
            (request.scope, request.scopes, request.owner) = (self.scope, self.chain, self.name)
            return try await self.test.service.save(request, actor: "alice")
        }

        func restore(_ key: String) async throws -> Restore? {
            let pattern = KeyPattern(try CacheKey(key), match: .exact)
            return try await self.test.service.restore(
                KeyQuery([pattern], in: self.test.project, scopes: self.chain),
                families: [key]
            )
        }
    }

    @Test func `main does not take over a layer that a pull request has saved under the tree of main`() async throws {
        let test = try TestService()
        let main = try Job(test, "branch/main")
        let pull = try Job(test, "pr/7", above: ["branch/main"])
        let other = try Job(test, "pr/8", above: ["branch/main"])
        let honest = try TestLayer([UInt8](repeating: 1, count: 5_000))
        let poison = try TestLayer(
            [UInt8](repeating: 2, count: 5_000),
            claiming: [UInt8](repeating: 1, count: 5_000)
        )
        #expect(poison.layer.treeDigest == honest.layer.treeDigest)
        try await pull.save("poison", poison)
        #expect(try await pull.known(honest)?.recipe == poison.layer.recipe)
        #expect(try await main.known(honest) == nil)
        #expect(try await other.known(honest) == nil)
        try await main.save("deps", honest)
        #expect(try await main.restore("deps")?.resolution.entry.layers.map(\.recipe) == [honest.layer.recipe])
        #expect(try await main.known(honest)?.recipe == honest.layer.recipe)
        #expect(try await other.known(honest)?.recipe == honest.layer.recipe)
        let all = try await test.service.knownLayers(
            [honest.layer.treeDigest],
            in: test.project,
            session: "session-all"
        )
        #expect(all[0]?.recipe == honest.layer.recipe)
    }

    @Test func `a recipe cannot lend out chunks that only others have uploaded`() async throws {
        let test = try TestService()
        let main = try Job(test, "branch/main")
        let pull = try Job(test, "pr/7", above: ["branch/main"])
        let secret = try TestLayer.noise(1, count: 5_000)
        try await pull.save("mine", secret)
        let saver = main.saver("session-steal")
        let recipeOnly = secret.blobs.filter { !secret.chunks.contains($0.digest) }
        try await test.service.store(recipeOnly, for: saver)
        #expect(try await test.service.missing(secret.chunks, for: saver) == secret.chunks)
        let error = try await #require(throws: CacheError.self) { try await main.commit("steal", secret) }
        #expect(error.code == .invalidRequest)
        #expect(error.message.contains("not uploaded"))
        #expect(try await main.restore("steal") == nil)
        await #expect(throws: CacheError.self) { try await test.service.describe(secret.chunks, in: main.vantage) }
    }

    @Test func `the name of somebody else's session opens nothing`() async throws {
        let test = try TestService()
        let victim = try Job(test, "pr/7")
        let thief = try Job(test, "pr/8")
        let layer = try TestLayer.noise(1, count: 5_000)
        try await test.service.store(layer.blobs, for: victim.saver("session-k"))
        await #expect(throws: CacheError.self) { try await thief.save("k", layer, uploads: false) }
        try await test.service.endSession(of: thief.saver("session-k"))
        _ = try await test.service.collect()
        #expect(try await victim.save("k", layer, uploads: false).isNew)
    }

    @Test func `a flood from a pull request leaves all entries of main, and its own uploads end with 507`() async throws
    {
        let test = try TestService(budget: 8_000_000)
        let main = try Job(test, "branch/main")
        let pull = try Job(test, "pr/7", above: ["branch/main"])
        for index in 0..<10 { try await main.save("main-\(index)", TestLayer.noise(UInt64(index + 1), count: 500_000)) }
        // Three times the budget, in entries that fit the share of 2 MB.
        for index in 0..<48 {
            test.clock.advance(by: .seconds(60))
            try await pull.save("flood-\(index)", TestLayer.noise(UInt64(index + 100), count: 500_000))
            #expect(try await test.catalog.unprotectedBytes() <= 2_000_000)
        }
        // What is pinned and never committed cannot be evicted: the share is its limit, too.
        let saver = pull.saver("session-hoard")
        let error = try await #require(throws: CacheError.self) {
            for index in 0..<10 {
                try await test.service.store(TestLayer.noise(UInt64(index + 200), count: 500_000).blobs, for: saver)
            }
        }
        #expect(error.code == .quotaExceeded)
        #expect(error.message.contains("unprotected"))
        for index in 0..<10 { #expect(try await main.restore("main-\(index)") != nil) }
        try await main.save("main-10", TestLayer.noise(50, count: 500_000))
        for index in 0..<11 { #expect(try await main.restore("main-\(index)") != nil) }
        #expect(try await test.catalog.check().isEmpty)
    }

    @Test func `a save of main makes room of what was used least, wherever that is`() async throws {
        let test = try TestService(budget: 4_000_000)
        let main = try Job(test, "branch/main")
        let pull = try Job(test, "pr/7", above: ["branch/main"])
        try await pull.save("pull", TestLayer.noise(100, count: 700_000))
        for index in 0..<12 {
            test.clock.advance(by: .seconds(60))
            try await main.save("main-\(index)", TestLayer.noise(UInt64(index + 1), count: 500_000))
        }
        #expect(try await main.restore("main-11") != nil)
        #expect(try await main.restore("main-0") == nil)
        #expect(try await test.catalog.storedBytes() <= 4_000_000)
    }

    @Test func `a full project loses what was used least, but not for a scope that may push out nobody`() async throws {
        let test = try TestService(entries: 3)
        let main = try Job(test, "branch/main")
        let pull = try Job(test, "pr/7", above: ["branch/main"])
        for index in 0..<5 {
            test.clock.advance(by: .seconds(60))
            try await main.save("main-\(index)", TestLayer.noise(UInt64(index + 1), count: 1_000))
        }
        #expect(try await test.catalog.entryCount(of: test.project) == 3)
        #expect(try await main.restore("main-1") == nil)
        #expect(try await test.service.collect().removedEntries == 0)
        let restore = try #require(try await main.restore("main-2"))
        test.service.endLease(restore.lease)
        let error = try await #require(throws: CacheError.self) {
            try await pull.save("pull", TestLayer.noise(100, count: 1_000))
        }
        #expect(error.code == .quotaExceeded && error.message.contains("3 entries"))
        let change = EntryChange(.remove(.deleted), .key(try CacheKey("main-2")), in: test.project, scope: nil)
        _ = try await test.catalog.change(change, at: test.clock.now, actor: "bob")
        try await main.save("main-5", TestLayer.noise(6, count: 1_000))
        #expect(try await main.restore("main-3") != nil)
        #expect(try await test.catalog.check().isEmpty)
    }
}

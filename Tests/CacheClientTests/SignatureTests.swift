import CacheModel
import NativeAPI
import Signatures
import Testing

@testable import CacheClient

struct SignatureTests {
    private let cache = FakeCache()
    private let place: Workplace
    private let key = SigningKey()

    init() throws { self.place = try Workplace() }

    private func withClient<Value>(_ body: (NativeClient) async throws -> Value) async throws -> Value {
        let cache = self.cache
        return try await FakeServer.run({ try cache.answer($0) }, body)
    }

    private func save(_ name: String, _ text: String, with client: NativeClient, signed: Bool = true) async throws {
        try self.place.write(text, to: "tree/file")
        _ = try await self.place.save(
            name,
            "tree",
            with: client,
            adjusting: { request in
                request.signingKey = signed ? self.key : nil
                request.producer = "test"
                request.replaces = true
            }
        )
    }

    /// Restores with a policy that wants this test's key, and gives what it objects to.
    private func refusal(_ name: String, with client: NativeClient) async throws -> String? {
        try self.place.remove("tree")
        let result = try await self.place.restore(
            name,
            with: client,
            adjusting: { request in
                request.trust = TrustPolicy(requirement: .anyKey, keys: [TrustedKey(self.key.publicKey)])
            }
        )
        #expect((result.hit == nil) == (result.refusal != nil))
        #expect(try self.place.names().isEmpty == (result.refusal != nil))
        return result.refusal
    }

    private func change(_ name: String, _ change: (inout Entry) throws -> Void) throws {
        try self.cache.with { state in
            guard var entry = state.entries["entries/\(name)"] else { return }
            try change(&entry)
            state.entries["entries/\(name)"] = entry
        }
    }

    @Test func `what was signed is restored where signatures are required`() async throws {
        try await self.withClient { client in
            try await self.save("k", "hello", with: client)
            #expect(try await self.refusal("k", with: client) == nil)
            #expect(try self.place.read("tree/file") == Array("hello".utf8))
        }
    }

    @Test func `an entry whose signature was stripped is a miss, and nothing is fetched`() async throws {
        try await self.withClient { client in
            try await self.save("k", "hello", with: client)
            try self.change("k") { $0.signature = nil }
            #expect(try await self.refusal("k", with: client)?.contains("not signed") == true)
            #expect(self.cache.count("POST blobs/fetch") == 0)
            #expect(self.cache.with { $0.endedLeases } == 1)
        }
    }

    @Test func `signatures that were swapped between two entries are a miss`() async throws {
        try await self.withClient { client in
            try await self.save("a", "one", with: client)
            try await self.save("b", "two", with: client)
            let signature = self.cache.with { $0.entries["entries/a"]?.signature }
            try self.change("b") { $0.signature = signature }
            #expect(try await self.refusal("b", with: client)?.contains("not that of its content") == true)
        }
    }

    @Test func `a signed entry that is replayed under another key, scope or project is a miss`() async throws {
        try await self.withClient { client in
            try await self.save("a", "one", with: client)
            let entry = try #require(self.cache.with { $0.entries["entries/a"] })
            // As it is: soundly signed, but not what was asked for.
            self.cache.with { $0.entries["entries/b"] = entry }
            #expect(try await self.refusal("b", with: client)?.contains("not asked for") == true)
            // Renamed: what was asked for, but not what was signed.
            let renames: [(inout Entry) throws -> Void] = [
                { $0.key = try CacheKey("b") },
                {
                    $0.key = try CacheKey("b")
                    $0.scope = try Scope("other")
                },
            ]
            for rename in renames {
                self.cache.with { $0.entries["entries/b"] = entry }
                try self.change("b", rename)
                try self.place.write("x", to: "tree/file")
                #expect(try await self.refusal("b", with: client)?.contains("not that of its content") == true)
            }
            try self.change("b") { $0.project = try ProjectName("acme/other") }
            try self.place.write("x", to: "tree/file")
            #expect(try await self.refusal("b", with: client)?.contains("not asked for") == true)
        }
    }

    @Test func `a signed entry whose layers were exchanged is a miss`() async throws {
        try await self.withClient { client in
            try await self.save("old", "old", with: client)
            try await self.save("k", "new", with: client)
            let old = try #require(self.cache.with { $0.entries["entries/old"] })
            try self.change("k") { $0.layers = old.layers }
            #expect(try await self.refusal("k", with: client)?.contains("not that of its content") == true)
        }
    }

    @Test func `a signer does not vouch for a recipe that the server made up`() async throws {
        try await self.withClient { client in
            try await self.save("evil", "evil", with: client, signed: false)
            try self.place.write("good", to: "tree/file")
            _ = try await self.place.save("good", "tree", with: client)
            let (evil, good) = try self.cache.with { state in
                (
                    try #require(state.entries["entries/evil"]?.layers.first),
                    try #require(state.entries["entries/good"]?.layers.first)
                )
            }
            // The server says that the tree is known, and names another recipe for it.
            self.cache.with { state in
                var forged = good
                forged.recipe = evil.recipe
                state.layers[good.treeDigest] = forged
            }
            try await self.save("k", "good", with: client)
            let signed = try #require(self.cache.with { $0.entries["entries/k"]?.layers.first })
            #expect(signed.recipe == good.recipe)
        }
    }
}

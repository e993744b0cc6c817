import CacheModel
import Foundation
import NativeAPI
import Testing

@testable import CacheClient

/// Whatever goes wrong with a restore, the old tree stays and nothing lies about.
struct BrokenRestoreTests {
    private let cache = FakeCache()
    private let place: Workplace

    init() throws { self.place = try Workplace() }

    /// Saves a tree of several chunks, changes it on disk, and calls `body`; the change must survive.
    private func withChangedTree(
        _ body: (NativeClient, _ chunks: Int) async throws -> Void
    ) async throws {
        try self.place.write(Workplace.noise(5_000_000), to: "tree/large")
        let cache = self.cache
        try await FakeServer.run({ try cache.answer($0) }) { client in
            let saved = try await self.place.save("k", "tree", with: client)
            try self.place.write("changed", to: "tree/large")
            try await body(client, saved.chunksTotal)
            #expect(try self.place.read("tree/large") == Array("changed".utf8))
            #expect(try self.place.names() == ["tree"])
            #expect(self.cache.with { $0.endedLeases } == 1)
        }
    }

    /// Whether a request for blobs is one for chunks: those of the metadata name at most two.
    private static func isForChunks(_ digests: [Digest]) -> Bool { digests.count > 2 }

    @Test func `bytes that are not what they claim are refused`() async throws {
        try await self.withChangedTree { client, _ in
            self.cache.with { state in
                for (digest, record) in state.blobs where record.count > 100_000 {
                    var record = record
                    record[record.count - 10] ^= 1
                    state.blobs[digest] = record
                }
            }
            let error = await #expect(throws: CacheError.self) { try await self.place.restore("k", with: client) }
            #expect(error?.code == .corrupt)
        }
    }

    @Test func `a chunk under another chunk's name is refused`() async throws {
        try await self.withChangedTree { client, _ in
            let large = self.cache.with { state in state.blobs.filter { $0.value.count > 100_000 } }
            let (first, second) = (large.keys.sorted()[0], large.keys.sorted()[1])
            self.cache.with { $0.blobs[first] = first.bytes + Array((large[second] ?? []).dropFirst(32)) }
            let error = await #expect(throws: CacheError.self) { try await self.place.restore("k", with: client) }
            #expect(error?.code == .corrupt)
        }
    }

    @Test func `a chunk that is gone is an error, not half a tree`() async throws {
        try await self.withChangedTree { client, _ in
            self.cache.with { state in state.blobs = state.blobs.filter { $0.value.count < 100_000 } }
            let error = await #expect(throws: CacheError.self) { try await self.place.restore("k", with: client) }
            #expect(error?.code == .notFound)
        }
    }

    @Test func `a transfer that always breaks off is given up`() async throws {
        try await self.withChangedTree { client, _ in
            self.cache.with { $0.fetching = { Self.isForChunks($0) ? FakeAnswer(body: [1], ending: .cutOff) : nil } }
            let error = await #expect(throws: CacheError.self) { try await self.place.restore("k", with: client) }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("http://127.0.0.1:") == true)
        }
    }

    @Test func `an interrupted restore cleans up after itself`() async throws {
        try await self.withChangedTree { client, _ in
            let (asked, asking) = AsyncStream<Void>.makeStream()
            self.cache.with {
                $0.fetching = { digests in
                    guard Self.isForChunks(digests) else { return nil }
                    asking.yield()
                    return FakeAnswer(ending: .held)
                }
            }
            let place = self.place
            let restore = Task { try await place.restore("k", with: client) }
            for await _ in asked { break }
            let names = try self.place.names()
            #expect(names.count == 2, "there is a staging directory by now")
            restore.cancel()
            await #expect(throws: CancellationError.self) { try await restore.value }
        }
    }

    @Test func `a transfer that breaks off once goes on where it was`() async throws {
        let noise = Workplace.noise(5_000_000)
        try self.place.write(noise, to: "tree/large")
        let cache = self.cache
        try await FakeServer.run({ try cache.answer($0) }) { client in
            let saved = try await self.place.save("k", "tree", with: client)
            try self.place.remove("tree")
            let blobs = cache.with { $0.blobs }
            cache.with { state in
                state.fetching = { digests in
                    guard Self.isForChunks(digests) else { return nil }
                    cache.with { $0.fetching = nil }
                    let whole = digests.prefix(2).flatMap { blobs[$0] ?? [] }
                    return FakeAnswer(body: whole + [1, 2, 3], ending: .cutOff)
                }
            }
            let restored = try await self.place.restore("k", with: client)
            #expect(restored.chunksDownloaded == saved.chunksTotal)
            #expect(try self.place.read("tree/large") == noise)
        }
    }
}

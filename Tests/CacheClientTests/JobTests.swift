import CacheModel
import Foundation
import NativeAPI
import Testing

@testable import CacheClient

struct JobTests {
    private let cache = FakeCache()
    private let place: Workplace

    init() throws { self.place = try Workplace() }

    private func withClient<Value>(_ body: (NativeClient) async throws -> Value) async throws -> Value {
        let cache = self.cache
        return try await FakeServer.run({ try cache.answer($0) }, body)
    }

    private func isSaved(_ result: SaveResult) -> Bool { if case .saved = result.outcome { true } else { false } }

    @Test func `what was saved comes back, and what is there already is not fetched`() async throws {
        let noise = Workplace.noise(9_000_000)
        try self.place.write(noise, to: "tree/large")
        try self.place.write("hello", to: "tree/sub/small")
        try await self.withClient { client in
            let saved = try await self.place.save("k", "tree", with: client)
            #expect(self.isSaved(saved))
            #expect(saved.chunksUploaded == saved.chunksTotal && saved.chunksTotal > 4)
            #expect(saved.layers.map(\.path) == ["tree"] && saved.layers.map(\.anchor) == [.workdir])
            try self.place.remove("tree")
            let restored = try await self.place.restore("other", "k", with: client)
            #expect(restored.hit?.keyIndex == 1)
            #expect(restored.chunksDownloaded == saved.chunksTotal && restored.filesWritten == 2)
            #expect(try self.place.read("tree/large") == noise)
            #expect(try self.place.read("tree/sub/small") == Array("hello".utf8))
            let again = try await self.place.restore("k", with: client)
            #expect(again.chunksDownloaded == 0 && again.filesKept == 2)
            #expect(try self.place.names() == ["tree"])
        }
        #expect(self.cache.with { $0.endedLeases } == 2)
    }

    @Test func `a known tree under another key moves no content`() async throws {
        try self.place.write(Workplace.noise(300_000), to: "tree/file")
        try await self.withClient { client in
            _ = try await self.place.save("a", "tree", with: client)
            let second = try await self.place.save("b", "tree", with: client)
            guard case .known = second.outcome else {
                Issue.record("\(second.outcome)")
                return
            }
            #expect(second.chunksUploaded == 0 && second.bytesUploaded == 0)
            #expect(second.chunksTotal == second.layers[0].chunkCount)
        }
    }

    @Test func `content that repeats is sent once, also across batches`() async throws {
        let noise = Workplace.noise(12_000_000)
        try self.place.write(noise, to: "tree/a")
        try self.place.write(noise, to: "tree/b")
        try await self.withClient { client in
            let saved = try await self.place.save("k", "tree", with: client)
            #expect(saved.bytesUploaded < 16_000_000 && saved.bytesUploaded >= noise.count)
            try self.place.remove("tree")
            _ = try await self.place.restore("k", with: client)
            #expect(try self.place.read("tree/a") == noise && self.place.read("tree/b") == noise)
        }
    }

    @Test func `a key that exists is left alone before anything is read`() async throws {
        try self.place.write("1", to: "tree/file")
        try await self.withClient { client in
            _ = try await self.place.save("k", "tree", with: client)
            try self.place.write("2", to: "tree/file")
            let events = Events()
            let second = try await self.place.save("k", "tree", with: client, events: events)
            guard case .exists(_, isSameContent: nil) = second.outcome else {
                Issue.record("\(second.outcome)")
                return
            }
            #expect(!events.contains("scanning"))
            let replaced = try await self.place.save("k", "tree", with: client, adjusting: { $0.replaces = true })
            #expect(self.isSaved(replaced))
        }
    }

    @Test func `who loses a race for a key learns whether the content is the same`() async throws {
        try self.place.write("1", to: "tree/file")
        let cache = self.cache
        // The key is free when it is asked for, and taken when it is committed.
        let handler: FakeServer.Handler = {
            $0.method == "GET" ? try .error(404, .notFound, "no") : try cache.answer($0)
        }
        try await FakeServer.run(handler) { client in
            _ = try await self.place.save("k", "tree", with: client)
            let same = try await self.place.save("k", "tree", with: client)
            guard case .exists(_, isSameContent: true) = same.outcome else {
                Issue.record("\(same.outcome)")
                return
            }
            try self.place.write("2", to: "tree/file")
            let other = try await self.place.save("k", "tree", with: client)
            guard case .exists(_, isSameContent: false) = other.outcome else {
                Issue.record("\(other.outcome)")
                return
            }
        }
    }

    @Test func `a server that forgot bytes of a known tree gets them once more`() async throws {
        try self.place.write(Workplace.noise(300_000), to: "tree/file")
        try await self.withClient { client in
            _ = try await self.place.save("a", "tree", with: client)
            self.cache.with {
                $0.blobs = [:]
                $0.commitsToRefuse = 1
            }
            let second = try await self.place.save("b", "tree", with: client)
            #expect(self.isSaved(second) && second.chunksUploaded == second.chunksTotal)
            self.cache.with { $0.commitsToRefuse = 5 }
            await #expect(throws: CacheError.self) { try await self.place.save("c", "tree", with: client) }
        }
        #expect(self.cache.count("PUT entries/c") == 2, "a refusal is not repeated for ever")
    }

    @Test func `missing paths are told, and nothing at all is refused`() async throws {
        try self.place.write("1", to: "tree/file")
        try await self.withClient { client in
            let events = Events()
            let saved = try await self.place.save("k", "tree", "gone", with: client, events: events)
            #expect(self.isSaved(saved) && saved.layers.count == 1)
            #expect(events.contains("missingPath(\"\(self.place.places.workdir)/gone\")"))
            for key in ["none", "empty"] {
                let path = key == "none" ? "gone" : "folder"
                try FileManager.default.createDirectory(
                    atPath: "\(self.place.places.workdir)/folder/inner",
                    withIntermediateDirectories: true
                )
                let refused = try await self.place.save(key, path, with: client)
                guard case .refused = refused.outcome else {
                    Issue.record("\(refused.outcome)")
                    return
                }
            }
            let empty = try await self.place.save("empty", "folder", with: client, adjusting: { $0.allowsEmpty = true })
            #expect(self.isSaved(empty))
        }
        #expect(self.cache.count("PUT") == 2)
    }

    @Test func `a dry run says what would be done and does nothing`() async throws {
        try self.place.write(Workplace.noise(300_000), to: "tree/file")
        try await self.withClient { client in
            let saved = try await self.place.save("k", "tree", with: client)
            try self.place.remove("tree")
            let dry = try await self.place.restore("k", with: client, adjusting: { $0.isDryRun = true })
            #expect(dry.chunksDownloaded == saved.chunksTotal && dry.filesWritten == 1)
            #expect(try self.place.names() == [])
        }
    }

    @Test func `a folder can take the place of every anchor`() async throws {
        try self.place.write("1", to: "tree/file")
        try await self.withClient { client in
            _ = try await self.place.save("k", "tree", with: client)
            let target = "\(self.place.root)/elsewhere"
            let restored = try await self.place.restore("k", with: client, adjusting: { $0.target = target })
            #expect(restored.paths == ["\(target)/tree"])
            #expect(FileManager.default.contents(atPath: "\(target)/tree/file") == Data("1".utf8))
        }
    }

    @Test func `a miss brings its explanations`() async throws {
        try await self.withClient { client in
            let missed = try await self.place.restore("a", "b", with: client)
            #expect(missed.hit == nil)
            #expect(missed.explanations.map(\.key.text) == ["a", "b"])
        }
    }
}

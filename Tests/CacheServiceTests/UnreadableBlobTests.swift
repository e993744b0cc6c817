import CacheModel
import LayerFormat
import LayerKernels
import MemoryStorage
import NIOCore
import StorageInterface
import Synchronization
import Testing

@testable import CacheService

/// What happens to blobs whose sectors the disk cannot read.
struct UnreadableBlobTests {
    private let lost = LostBlobs()

    private func saved() async throws -> (TestService, TestLayer) {
        let test = try TestService { LossyStore(base: $0, lost: self.lost) }
        let layer = try TestLayer.noise(1, count: 3_000)
        try await test.save("k", layer)
        return (test, layer)
    }

    @Test(arguments: [true, false])
    func `nothing is taken out of use before a copy is here, and the next save heals it`(
        whenOpened: Bool
    ) async throws {
        let (test, layer) = try await self.saved()
        self.lost.lose(layer.chunks[0], whenOpened: whenOpened)
        let error = await #expect(throws: CacheError.self) { try await test.fetch(layer) }
        #expect(error?.code == .unreadable)
        // Somebody asks what a save would have to send, and sends nothing.
        let asked = layer.blobs.map(\.digest)
        let missing = try await test.service.missing(asked, in: test.project, session: "session-asks")
        #expect(missing == [layer.chunks[0]])
        let known = try await test.service.knownLayers(
            [layer.layer.treeDigest],
            in: test.project,
            session: "session-asks"
        )
        #expect(known == [nil])
        #expect(test.service.figures.damagedBlobs.isEmpty && test.service.unreadableBlobs == 1)
        #expect(try await test.blobs.missing(from: asked).isEmpty)
        #expect(try await test.restore("k") != nil)
        try await test.save("other", layer)
        try await test.fetch(layer)
        #expect(try await test.restore("k") != nil)
        #expect(test.service.figures.damagedBlobs == [.upload: 1] && test.service.unreadableBlobs == 0)
    }

    @Test(arguments: [true, false]) func `what was sound before is looked at again, once for each blob that is lost`(
        whenOpened: Bool
    ) async throws {
        let (test, first) = try await self.saved()
        let (second, third) = (try TestLayer.noise(2, count: 3_000), try TestLayer.noise(3, count: 3_000))
        try await test.save("second", second)
        try await test.save("third", third)
        for layer in [first, second, third] { try await test.fetch(layer) }
        self.lost.lose(first.chunks[0], whenOpened: whenOpened)
        self.lost.lose(second.chunks[0], whenOpened: whenOpened)
        test.clock.advance(by: .seconds(8 * 86_400))
        await #expect(throws: CacheError.self) { try await test.fetch(second) }
        try await test.fetch(third)
        let compared = test.service.figures.verifiedBytes.load(ordering: .relaxed)
        // Nobody makes the server compare everything again by asking for the same blob.
        await #expect(throws: CacheError.self) { try await test.fetch(second) }
        try await test.fetch(third)
        #expect(test.service.figures.verifiedBytes.load(ordering: .relaxed) == compared)
        // Nobody has read the first one since it was lost.
        try await test.save("again", first)
        try await test.fetch(first)
    }

    @Test(arguments: [true, false]) func `a disk that can read again has lost nothing`(whenOpened: Bool) async throws {
        let (test, layer) = try await self.saved()
        self.lost.lose(layer.chunks[0], whenOpened: whenOpened)
        await #expect(throws: CacheError.self) { try await test.fetch(layer) }
        self.lost.find(layer.chunks[0])
        try await test.fetch(layer)
        #expect(test.service.unreadableBlobs == 0)
        #expect(try await test.service.missing(layer.chunks, in: test.project, session: "session-asks").isEmpty)
    }

    @Test(arguments: [true, false]) func `a save that is the first to read a recipe asks for all of it again`(
        whenOpened: Bool
    ) async throws {
        let (test, layer) = try await self.saved()
        self.lost.lose(layer.layer.recipe, whenOpened: whenOpened)
        let error = await #expect(throws: CacheError.self) { try await test.save("again", layer) }
        #expect(error?.code == .invalidRequest)
        try await test.save("again", layer)
        #expect(try await test.restore("k") != nil)
    }

    @Test(arguments: [true, false]) func `a suspicion about what cannot be read hides no damage`(
        whenOpened: Bool
    ) async throws {
        let (test, layer) = try await self.saved()
        let other = try TestLayer.noise(2, count: 3_000)
        try await test.save("other", other)
        self.lost.lose(layer.chunks[0], whenOpened: whenOpened)
        try await test.damage(other.chunks[0])
        let suspects = layer.chunks + other.chunks
        #expect(try await test.service.recheck(suspects, in: Vantage(test.project, scopes: nil)) == 1)
        #expect(try await test.restore("other") == nil)
        #expect(try await test.restore("k") != nil)
    }

    @Test(arguments: [true, false]) func `an upload takes the place of what cannot be read`(
        whenOpened: Bool
    ) async throws {
        let (test, layer) = try await self.saved()
        self.lost.lose(layer.chunks[0], whenOpened: whenOpened)
        try await test.service.store(layer.blobs, in: test.project, session: "session-2")
        try await test.fetch(layer)
        #expect(try await test.restore("k") != nil)
    }

    @Test(arguments: [true, false]) func `a save heals a recipe that cannot be read`(whenOpened: Bool) async throws {
        let (test, layer) = try await self.saved()
        self.lost.lose(layer.layer.recipe, whenOpened: whenOpened)
        await #expect(throws: CacheError.self) { try await test.service.recipe(of: layer.layer, in: test.project) }
        let session = "session-again"
        let known = try await test.service.knownLayers([layer.layer.treeDigest], in: test.project, session: session)
        #expect(known == [nil])
        try await test.save("again", layer)
        let recipe = try await test.service.recipe(of: layer.layer, in: test.project)
        #expect(layer.chunks.allSatisfy(recipe.blobs.contains))
    }

    @Test(arguments: [true, false]) func `the scrub leaves it, the check tells of it and can take it out`(
        whenOpened: Bool
    ) async throws {
        let (test, layer) = try await self.saved()
        self.lost.lose(layer.chunks[0], whenOpened: whenOpened)
        #expect(try await test.service.scrub(after: nil).damaged == 0)
        #expect(try await test.restore("k") != nil)
        #expect(test.service.unreadableBlobs == 1)
        let report = try await test.service.checkStore(readData: true, repair: true)
        #expect(report.problems.contains { $0.contains("\(layer.chunks[0]) cannot be read") })
        #expect(report.repaired > 0)
        #expect(try await test.restore("k") == nil)
    }
}

/// Blobs that cannot be read until they are stored anew.
private final class LostBlobs: Sendable {
    private let lost = Mutex<[Digest: Bool]>([:])

    /// Loses a blob: either opening it fails, as it does for small ones, or reading it.
    func lose(_ digest: Digest, whenOpened: Bool) { self.lost.withLock { $0[digest] = whenOpened } }
    func find(_ digest: Digest) { self.lost.withLock { $0[digest] = nil } }
    func failsWhenOpened(_ digest: Digest) -> Bool? { self.lost.withLock { $0[digest] } }
}

private struct LossyStore: BlobStore {
    private struct LostFile: BlobFile {
        let descriptor: Int32 = -1
        let digest: Digest
        let size: Int

        func read(_ range: Range<Int>) throws -> ByteBuffer {
            throw CacheError.unreadable(self.digest, "a lost sector")
        }
    }

    let base: any BlobStore
    let lost: LostBlobs

    func open(_ digest: Digest) async throws -> StoredBlob {
        let blob = try await self.base.open(digest)
        guard let failsWhenOpened = self.lost.failsWhenOpened(digest) else { return blob }
        guard !failsWhenOpened else { throw CacheError.unreadable(digest, "a lost sector") }
        let file = LostFile(digest: digest, size: blob.storedSize)
        return StoredBlob(encoding: blob.encoding, storedSize: blob.storedSize, content: .file(file))
    }

    func quarantine(_ digest: Digest, found: Discovery) async throws {
        try await self.base.quarantine(digest, found: found)
        self.lost.find(digest)
    }

    func missing(from digests: [Digest]) async throws -> [Digest] { try await self.base.missing(from: digests) }
    func put(_ blobs: [NewBlob]) async throws { try await self.base.put(blobs) }
    func delete(_ digests: [Digest]) async throws { try await self.base.delete(digests) }
    func list(after cursor: Digest?, limit: Int) async throws -> [StoredBlobInfo] {
        try await self.base.list(after: cursor, limit: limit)
    }
}

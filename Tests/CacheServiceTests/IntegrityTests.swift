import CacheModel
import LayerKernels
import MemoryStorage
import NIOCore
import StorageInterface
import Synchronization
import Testing

@testable import CacheService

/// What happens to blobs whose stored bytes are not what their names say.
struct IntegrityTests {
    /// A service with one entry `k`.
    private func saved() async throws -> (TestService, TestLayer) {
        let test = try TestService()
        let layer = try TestLayer.noise(1, count: 3_000)
        try await test.save("k", layer)
        return (test, layer)
    }

    @Test func `a damaged blob is found at its first read, and its entry is a miss until the next save`() async throws {
        let (test, layer) = try await self.saved()
        try await test.damage(layer.chunks[0])
        let error = await #expect(throws: CacheError.self) { try await test.fetch(layer) }
        #expect(error?.code == .corrupt)
        #expect(try await test.restore("k") == nil)
        #expect(try await test.blobs.missing(from: [layer.chunks[0]]) == [layer.chunks[0]])
        #expect(test.service.figures.damagedBlobs == [.read: 1])
        try await test.save("other", layer)
        #expect(try await test.restore("k")?.resolution.entry.key.text == "k")
        try await test.fetch(layer)
    }

    @Test func `a blob is compared once, and again when that is long ago`() async throws {
        let (test, layer) = try await self.saved()
        try await test.fetch(layer)
        let compared = test.service.figures.verifiedBytes.load(ordering: .relaxed)
        #expect(compared > 0)
        try await test.fetch(layer)
        #expect(test.service.figures.verifiedBytes.load(ordering: .relaxed) == compared)
        test.clock.advance(by: .seconds(8 * 86_400))
        try await test.fetch(layer)
        #expect(test.service.figures.verifiedBytes.load(ordering: .relaxed) == 2 * compared)
    }

    @Test func `an upload takes the place of damaged bytes and heals all entries that need them`() async throws {
        let (test, layer) = try await self.saved()
        try await test.damage(layer.chunks[0])
        try await test.service.store(layer.blobs, in: test.project, session: "session-2")
        try await test.fetch(layer)
        #expect(test.service.figures.damagedBlobs == [.upload: 1])
        #expect(try await test.restore("k") != nil)
    }

    @Test func `a blob that is there in another form keeps its form and its row`() async throws {
        let (test, layer) = try await self.saved()
        let digest = layer.chunks[0]
        let before = try #require(try await test.catalog.allBlobs(after: digest.predecessor, limit: 1).first)
        _ = try await test.catalog.markMissing([digest], at: test.clock.now, actor: AuditEvent.server)
        var codec = FrameCodec(level: 19)
        let bytes = try #require(layer.blobs.first { $0.digest == digest }).content
        let frame = try codec.compress(Array(bytes.readableBytesView))
        let blob = NewBlob(digest: digest, encoding: .zstd, size: before.size, content: ByteBuffer(bytes: frame))
        try await test.service.store([blob], in: test.project, session: "session-2")
        let after = try #require(try await test.catalog.allBlobs(after: digest.predecessor, limit: 1).first)
        #expect(after == before)
        try await test.fetch(layer)
    }

    /// A layer of several chunks whose entry `k` has two damaged ones, of which one was found.
    private func wary() async throws -> (TestService, TestLayer) {
        let test = try TestService()
        let layer = try TestLayer.noise(1, count: 3_000_000)
        try #require(layer.chunks.count >= 3)
        try await test.save("k", layer)
        for chunk in layer.chunks.prefix(2) { try await test.damage(chunk) }
        await #expect(throws: CacheError.self) { try await test.fetch(layer) }
        return (test, layer)
    }

    @Test func `one save heals an entry with several damaged blobs`() async throws {
        let (test, layer) = try await self.wary()
        try await test.save("k", layer, onConflict: .replace)
        try await test.service.verify(test.service.describe(layer.chunks, in: test.project))
        #expect(try await test.restore("k") != nil)
        #expect(test.service.figures.damagedBlobs == [.read: 1, .upload: 1])
    }

    @Test func `after damage a layer is known only if all of it is sound`() async throws {
        let (test, layer) = try await self.wary()
        let tree = layer.layer.treeDigest
        let found = layer.blobs.filter { $0.digest == layer.chunks[0] }
        try await test.service.store(found, in: test.project, session: "session-2")
        #expect(try await test.restore("k") != nil)
        #expect(try await test.service.knownLayers([tree], in: test.project, session: "session-3") == [nil])
        #expect(try await test.restore("k") == nil)
        try await test.save("k", layer, onConflict: .replace)
        #expect(try await test.service.knownLayers([tree], in: test.project, session: "session-4") == [layer.layer])
    }

    @Test func `a late doubt does not take away what a save has healed meanwhile`() async throws {
        let (test, layer) = try await self.saved()
        let record = try #require(try await test.service.describe([layer.chunks[0]], in: test.project).first)
        try await test.damage(record.digest)
        try await test.service.store(layer.blobs, in: test.project, session: "session-2")
        try await test.service.withdraw(record, found: .read)
        #expect(try await test.blobs.missing(from: [record.digest]).isEmpty)
        #expect(try await test.restore("k") != nil)
    }

    @Test func `a save over a damaged recipe is told that it has to be sent again`() async throws {
        let (test, layer) = try await self.saved()
        try await test.damage(layer.layer.recipe)
        let error = await #expect(throws: CacheError.self) {
            try await test.service.save(test.request("k2", layer.layer, session: "session-2"), actor: "alice")
        }
        #expect(error?.code == .invalidRequest)
        try await test.save("k2", layer)
        #expect(try await test.restore("k2") != nil)
    }

    @Test func `a client's suspicion is looked into, and only a true one has consequences`() async throws {
        let (test, layer) = try await self.saved()
        #expect(try await test.service.recheck(layer.chunks, in: Vantage(test.project, scopes: nil)) == 0)
        #expect(try await test.restore("k") != nil)
        test.clock.advance(by: .seconds(60))
        try await test.damage(layer.chunks[0])
        let stranger = try ProjectName("evil/spy")
        #expect(try await test.service.recheck(layer.chunks, in: Vantage(stranger, scopes: nil)) == 0)
        #expect(try await test.service.recheck(layer.chunks, in: Vantage(test.project, scopes: nil)) == 1)
        #expect(try await test.restore("k") == nil)
    }

    @Test func `the scrub comes to every blob and takes damaged ones out of use`() async throws {
        let (test, layer) = try await self.saved()
        for seed in 2..<40 { try await test.save("k\(seed)", TestLayer.noise(UInt64(seed), count: 2_000)) }
        try await test.damage(layer.chunks[0])
        let stored = try await test.catalog.storedBytes()
        var (cursor, damaged, steps) = (Digest?.none, 0, 0)
        repeat {
            let step = try await test.service.scrub(after: cursor)
            cursor = step.cursor
            damaged += step.damaged
            steps += 1
        } while cursor != nil
        #expect(damaged == 1 && steps > 1)
        #expect(test.service.figures.scrubbedBytes.load(ordering: .relaxed) == stored)
        #expect(try await test.restore("k") == nil)
        #expect(try await test.restore("k2") != nil)
    }

    @Test func `a check names the invariant, and looks at its part only`() async throws {
        let (test, layer) = try await self.saved()
        try await test.damage(layer.chunks[0])
        let parts = try (1...5).map { try BlobSubset(parsing: "\($0)/5") }
        var problems: [String] = []
        for part in parts {
            problems += try await test.service.checkStore(readData: true, repair: false, subset: part).problems
                .filter { $0.contains("\(layer.chunks[0])") }
        }
        #expect(problems.count == 1 && problems[0].hasPrefix("I2: "), "\(problems)")
        #expect(try await test.service.checkStore(readData: true, repair: true).repaired == 1)
        #expect(try await test.service.checkStore(readData: true, repair: false).problems == [])
        for text in ["0/3", "4/3", "3", "a/b", "1/0", ""] {
            #expect(throws: CacheError.self) { try BlobSubset(parsing: text) }
        }
    }
}

/// Disks that are full, or do not answer.
struct VolumeTests {
    @Test func `a disk without room evicts first, and refuses what does not fit even then`() async throws {
        let free = Mutex(1_000_000)
        var volume = Volume()
        volume.freeBytes = { free.withLock { $0 } }
        volume.minimumFreeBytes = 100_000
        let test = try TestService(volume: volume)
        try await test.save("old", TestLayer.noise(1, count: 200_000))
        test.clock.advance(by: .seconds(1))
        try await test.save("young", TestLayer.noise(2, count: 400_000))
        free.withLock { $0 = 1_000 }
        let refusal = await #expect(throws: CacheError.self) {
            try await test.save("new", TestLayer.noise(3, count: 100_000))
        }
        #expect(refusal?.code == .quotaExceeded)
        // Evicting all would not have been enough, so nothing was.
        let old = try #require(try await test.restore("old"))
        test.service.endLease(old.lease)
        free.withLock { $0 = 100_000 }
        _ = await #expect(throws: CacheError.self) {
            try await test.save("new", TestLayer.noise(3, count: 100_000))
        }
        #expect(try await test.restore("old") == nil)
        #expect(try await test.restore("young") != nil)
        free.withLock { $0 = 1_000_000 }
        try await test.save("new", TestLayer.noise(3, count: 100_000))
        #expect(try await test.restore("new") != nil)
    }

    @Test func `an upload does not wait for ever for a disk that hangs, and reads go on`() async throws {
        let failures = Mutex(0)
        var volume = Volume()
        volume.patience = .milliseconds(20)
        volume.writeFailed = { _ in failures.withLock { $0 += 1 } }
        let gate = AsyncStream.makeStream(of: Void.self)
        let hangs = Flag()
        let test = try TestService(volume: volume) { HangingStore(base: $0, hangs: hangs, gate: gate.stream) }
        let layer = try TestLayer.noise(1, count: 1_000)
        try await test.save("k", layer)
        hangs.set()
        let error = await #expect(throws: CacheError.self) {
            try await test.save("hung", TestLayer.noise(2, count: 1_000))
        }
        #expect(error?.code == .unavailable)
        #expect(failures.withLock { $0 } == 1)
        #expect(try await test.restore("k") != nil)
        gate.continuation.finish()
    }

    @Test func `an upload waits for a disk that is slow but gets on`() async throws {
        let gate = AsyncStream.makeStream(of: Void.self)
        let looks = Mutex(0)
        var volume = Volume()
        volume.patience = .milliseconds(5)
        volume.finishedWrites = {
            // The disk has finished something each time that somebody looks, and the upload only after many looks.
            looks.withLock { looks in
                looks += 1
                if looks == 10 { gate.continuation.finish() }
                return looks
            }
        }
        let hangs = Flag()
        let test = try TestService(volume: volume) { HangingStore(base: $0, hangs: hangs, gate: gate.stream) }
        hangs.set()
        try await test.save("slow", TestLayer.noise(1, count: 1_000))
        #expect(looks.withLock { $0 } >= 10)
        #expect(try await test.restore("slow") != nil)
    }

    @Test func `a removal on a full disk gets the ballast's bytes, once`() async throws {
        let ballast = Mutex(true)
        var volume = Volume()
        volume.releaseBallast = {
            ballast.withLock { isThere in
                defer { isThere = false }; return isThere
            }
        }
        let test = try TestService(volume: volume)
        let full = CacheError(.quotaExceeded, "full")
        let freed = try await test.service.removing { () async throws -> Int in
            guard !ballast.withLock({ $0 }) else { throw full }
            return 7
        }
        #expect(freed == 7)
        await #expect(throws: CacheError.self) {
            _ = try await test.service.removing { () async throws -> Int in throw full }
        }
    }
}

/// A store whose writes hang once they are told to.
private struct HangingStore: BlobStore {
    let base: any BlobStore
    let hangs: Flag
    let gate: AsyncStream<Void>

    func put(_ blobs: [NewBlob]) async throws {
        if self.hangs.isSet { for await _ in self.gate {} }
        try await self.base.put(blobs)
    }

    func missing(from digests: [Digest]) async throws -> [Digest] { try await self.base.missing(from: digests) }
    func open(_ digest: Digest) async throws -> StoredBlob { try await self.base.open(digest) }
    func delete(_ digests: [Digest]) async throws { try await self.base.delete(digests) }
    func quarantine(_ digest: Digest, found: Discovery) async throws {
        try await self.base.quarantine(digest, found: found)
    }
    func list(after cursor: Digest?, limit: Int) async throws -> [StoredBlobInfo] {
        try await self.base.list(after: cursor, limit: limit)
    }
}

/// A condition that one task sets and another sees.
private final class Flag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { self.value.load(ordering: .relaxed) }
    func set() { self.value.store(true, ordering: .relaxed) }
}

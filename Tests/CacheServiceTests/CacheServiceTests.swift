import CacheModel
import LayerFormat
import LayerKernels
import MemoryStorage
import NIOCore
import NIOPosix
import StorageInterface
import Testing

@testable import CacheService

struct CacheServiceTests {
    @Test func `what was saved can be restored`() async throws {
        let test = try TestService()
        try await test.save("k", TestLayer.noise(1, count: 3_000_000))
        let restore = try #require(try await test.restore("k"))
        #expect(restore.resolution.isExact)
        #expect(try await test.restore("other") == nil)
    }

    @Test func `the same content under another key moves no bytes`() async throws {
        let test = try TestService()
        let layer = try TestLayer.noise(1, count: 1_000_000)
        try await test.save("a", layer)
        let known = try await test.service.knownLayers(
            [layer.layer.treeDigest],
            in: test.project,
            session: "session-b"
        )
        #expect(known.first??.recipe == layer.layer.recipe)
        let missing = try await test.service.missing(layer.chunks, in: test.project, session: "session-b")
        #expect(missing.isEmpty)
    }

    @Test func `another project learns nothing of what is stored`() async throws {
        let test = try TestService()
        let layer = try TestLayer.noise(1, count: 1_000)
        try await test.save("a", layer)
        let other = try ProjectName("evil/corp")
        let missing = try await test.service.missing(layer.chunks, in: other, session: "session-x")
        #expect(missing == layer.chunks)
        #expect(try await test.service.knownLayers([layer.layer.treeDigest], in: other, session: "session-x") == [nil])
        await #expect(throws: CacheError.self) { try await test.service.describe(layer.chunks, in: other) }
    }

    @Test func `a layer whose chunks were not uploaded is refused`() async throws {
        let test = try TestService()
        let layer = try TestLayer.noise(1, count: 3_000_000)
        let withoutOne = layer.blobs.filter { $0.digest != layer.chunks[0] }
        try await test.service.store(withoutOne, in: test.project, session: "session-1")
        let error = await #expect(throws: CacheError.self) {
            try await test.service.save(test.request("k", layer.layer), actor: "alice")
        }
        #expect(error?.code == .invalidRequest)
        #expect(try await test.restore("k") == nil)
    }

    @Test func `claims that are not those of the recipe are refused`() async throws {
        let test = try TestService()
        let layer = try TestLayer.noise(1, count: 1_000)
        try await test.service.store(layer.blobs, in: test.project, session: "session-1")
        var claims: [Layer] = []
        for change in [
            { (layer: inout Layer) in layer.treeDigest = layer.recipe }, { $0.size += 512 }, { $0.memberCount = 2 },
            { $0.chunkCount = 0 }, { $0.path = "other" }, { $0.stamps = $0.recipe },
        ] {
            var claim = layer.layer
            change(&claim)
            claims.append(claim)
        }
        for claim in claims {
            let error = await #expect(throws: CacheError.self) {
                try await test.service.save(test.request("k", claim), actor: "alice")
            }
            #expect(error?.code == .invalidRequest)
        }
        _ = try await test.service.save(test.request("k", layer.layer), actor: "alice")
    }

    @Test func `bytes that are not what they claim are refused`() async throws {
        let test = try TestService()
        let blob = NewBlob(
            digest: SHA256.digest(of: [1]),
            encoding: .raw,
            size: 1,
            content: ByteBuffer(bytes: [2] as [UInt8])
        )
        let service = CacheService(
            blobs: VerifyingBlobStore(test.blobs),
            catalog: test.catalog,
            threads: .singleton,
            configuration: .init(),
            logger: test.service.logger
        )
        let error = await #expect(throws: CacheError.self) {
            try await service.store([blob], in: test.project, session: "session-1")
        }
        #expect(error?.code == .digestMismatch)
    }

    @Test func `an immutable key keeps its entry and says whether the content is the same`() async throws {
        let test = try TestService()
        let first = try TestLayer.noise(1, count: 1_000)
        try await test.save("k", first)
        let same = try await test.save("k", first)
        #expect(!same.isNew && same.isSameContent)
        let other = try await test.save("k", TestLayer.noise(2, count: 1_000))
        #expect(!other.isNew && !other.isSameContent)
        #expect(try await test.restore("k")?.resolution.entry.layers[0].treeDigest == first.layer.treeDigest)
    }

    @Test func `a budget is kept, the oldest go first, and what is being restored stays readable`() async throws {
        let test = try TestService(budget: 5_000_000)
        for index in 0..<4 {
            try await test.save("k\(index)", TestLayer.noise(UInt64(index + 1), count: 1_000_000))
            test.clock.advance(by: .seconds(1))
        }
        let reading = try #require(try await test.restore("k0"))
        for index in 4..<20 {
            try await test.save("k\(index)", TestLayer.noise(UInt64(index + 1), count: 1_000_000))
            test.clock.advance(by: .seconds(1))
            #expect(try await test.catalog.storedBytes() <= 5_000_000)
            let recipe = try await test.service.recipe(of: reading.resolution.entry.layers[0], in: test.project)
            for record in try await test.service.describe(recipe.chunks.map(\.digest), in: test.project) {
                _ = try await test.service.read(record, limit: 2_097_152)
            }
        }
        #expect(try await test.restore("k1") == nil)
        #expect(try await test.restore("k19") != nil)
        test.service.endLease(reading.lease)
    }

    @Test func `a budget full of pinned entries refuses saves and says why`() async throws {
        let test = try TestService(budget: 3_000_000)
        try await test.save("k", TestLayer.noise(1, count: 2_000_000))
        _ = try await test.service.change(
            EntryChange(.pin, .key(try CacheKey("k")), in: test.project, scope: nil),
            actor: "bob"
        )
        let error = await #expect(throws: CacheError.self) {
            try await test.save("l", TestLayer.noise(2, count: 2_000_000))
        }
        #expect(error?.code == .quotaExceeded)
        #expect(try await test.restore("k") != nil)
    }

    @Test func `collecting deletes what nobody refers to, and nothing else`() async throws {
        let test = try TestService()
        let layer = try TestLayer.noise(1, count: 2_000_000)
        try await test.save("a", layer)
        try await test.save("b", layer)
        let doomed = try TestLayer.noise(2, count: 2_000_000)
        try await test.save("c", doomed)
        for key in ["a", "c"] {
            _ = try await test.service.change(
                EntryChange(.remove(.deleted), .key(try CacheKey(key)), in: test.project, scope: nil),
                actor: "bob"
            )
        }
        test.clock.advance(by: .seconds(200_000))
        let report = try await test.service.collect()
        #expect(report.deletedBlobs > 0)
        #expect(try await test.blobs.missing(from: layer.chunks).isEmpty)
        #expect(try await test.blobs.missing(from: doomed.chunks) == doomed.chunks)
        #expect(try await test.restore("b") != nil)
        #expect(try await test.catalog.check().isEmpty)
    }

    @Test func `a check finds rows without bytes and bytes without rows, and repairs both`() async throws {
        let test = try TestService()
        let layer = try TestLayer.noise(1, count: 1_000)
        try await test.save("k", layer)
        #expect(try await test.service.checkStore(readData: true, repair: false).problems.isEmpty)
        try await test.blobs.delete([layer.chunks[0]])
        let stray = [UInt8](repeating: 7, count: 100)
        try await test.blobs.put([.raw(stray)])
        let report = try await test.service.checkStore(readData: true, repair: true)
        #expect(report.problems.count == 2)
        #expect(report.repaired == 2)
        #expect(try await test.restore("k") == nil)
        #expect(try await test.service.checkStore(readData: true, repair: false).problems.isEmpty)
        try await test.save("k", layer)
        #expect(try await test.restore("k") != nil)
    }
}

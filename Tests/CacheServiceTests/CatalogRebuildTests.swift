import CacheModel
import LayerFormat
import LayerKernels
import Logging
import MemoryStorage
import NIOCore
import NIOPosix
import StorageInterface
import Testing

@testable import CacheService

/// A lost catalog is made again from the blobs alone, and nothing that a client stored can add to it.
struct CatalogRebuildTests {
    /// A service over the same blobs and an empty catalog.
    private static func rebuilding(_ test: TestService) -> (service: CacheService, catalog: MemoryCatalog) {
        let catalog = MemoryCatalog()
        let clock = test.clock
        let service = CacheService(
            blobs: test.blobs,
            catalog: catalog,
            threads: .singleton,
            configuration: test.service.configuration,
            logger: test.service.logger,
            now: { clock.now }
        )
        return (service, catalog)
    }

    private static func record(_ key: String, _ test: TestService, layers: [Layer]) throws -> EntryRecord {
        EntryRecord(
            project: test.project,
            scope: .shared,
            key: try CacheKey(key),
            createdAt: test.clock.now,
            expiresAt: nil,
            layers: layers,
            provenance: Provenance(template: key)
        )
    }

    @Test func `every entry comes back as it was, in the order of the saves`() async throws {
        let test = try TestService()
        for index in 0..<20 {
            try await test.save("k-\(index % 7)-\(index)", TestLayer.noise(UInt64(index % 15 + 1), count: 100_000))
            test.clock.advance(by: .seconds(1))
        }
        let before = try await test.catalog.entries(EntryFilter()).entries
        let (service, catalog) = Self.rebuilding(test)
        let report = try await service.rebuildCatalog(acceptsUnsealed: false)
        #expect(report.restored == 20 && report.leftOut.isEmpty && report.unusedBlobs == 0)
        let after = try await catalog.entries(EntryFilter()).entries
        #expect(after.map(\.key) == before.map(\.key))
        #expect(after.map(\.layers) == before.map(\.layers))
        #expect(after.map(\.provenance) == before.map(\.provenance))
        #expect(after.map(\.createdAt) == before.map(\.createdAt))
        #expect(after.sorted { $0.id < $1.id }.map(\.key) == before.sorted { $0.id < $1.id }.map(\.key))
        #expect(try await catalog.check() == [])
        #expect(try await catalog.storedBytes() == test.catalog.storedBytes())
    }

    @Test func `the latest save of a key wins, and what has expired stays away`() async throws {
        let test = try TestService()
        try await test.save("k", TestLayer.noise(1, count: 1_000))
        test.clock.advance(by: .seconds(1))
        let second = try TestLayer.noise(2, count: 1_000)
        try await test.save("k", second, onConflict: .replace)
        var brief = try test.request("brief", second.layer, session: "session-brief")
        brief.timeToLive = .seconds(60)
        _ = try await test.service.missing(second.blobs.map(\.digest), in: test.project, session: brief.session)
        _ = try await test.service.save(brief, actor: "alice")
        test.clock.advance(by: .seconds(61))
        let (service, catalog) = Self.rebuilding(test)
        let report = try await service.rebuildCatalog(acceptsUnsealed: false)
        #expect(report.restored == 1 && report.replaced == 1 && report.expired == 1 && report.leftOut.isEmpty)
        let entries = try await catalog.entries(EntryFilter()).entries
        #expect(entries.map(\.key.text) == ["k"])
        #expect(entries.first?.layers == [second.layer])
    }

    @Test func `an entry that lacks a blob is left out and named`() async throws {
        let test = try TestService()
        let whole = try TestLayer.noise(1, count: 3_000_000)
        let broken = try TestLayer.noise(2, count: 3_000_000, mtime: 2_000)
        try await test.save("whole", whole)
        try await test.save("broken", broken)
        for lost in [
            broken.chunks[1], broken.layer.recipe, broken.layer.stamps, broken.blobs[broken.chunks.count].digest,
        ] {
            let kept = try await test.blobs.open(lost)
            try await test.blobs.delete([lost])
            let (service, catalog) = Self.rebuilding(test)
            let report = try await service.rebuildCatalog(acceptsUnsealed: false)
            #expect(report.restored == 1)
            #expect(report.leftOut.count == 1)
            #expect(report.leftOut.first?.name.contains("'broken'") == true)
            #expect(report.leftOut.first?.reason.contains("\(lost)") == true)
            #expect(try await catalog.entries(EntryFilter()).entries.map(\.key.text) == ["whole"])
            #expect(report.unusedBlobs > 0)
            guard case .bytes(let content) = kept.content, let blob = broken.blobs.first(where: { $0.digest == lost })
            else { continue }
            try await test.blobs.put([
                NewBlob(digest: lost, encoding: kept.encoding, size: blob.size, content: content)
            ])
        }
    }

    @Test func `a blob with other bytes than its name says is not believed`() async throws {
        let test = try TestService()
        let layer = try TestLayer.noise(1, count: 1_000)
        try await test.save("k", layer)
        try await test.blobs.delete([layer.chunks[0]])
        let wrong = ByteBuffer(bytes: [UInt8](repeating: 7, count: layer.blobs[0].size))
        try await test.blobs.put([
            NewBlob(digest: layer.chunks[0], encoding: .raw, size: wrong.readableBytes, content: wrong)
        ])
        let (service, catalog) = Self.rebuilding(test)
        let report = try await service.rebuildCatalog(acceptsUnsealed: false)
        #expect(report.restored == 0 && report.leftOut.count == 2)
        #expect(try await catalog.entries(EntryFilter()).entries.isEmpty)
    }

    @Test func `a chunk with the bytes of an entry record of another project does not become an entry`() async throws {
        let test = try TestService()
        let evil = try ProjectName("evil/corp")
        let payload = try TestLayer.noise(9, count: 1_000)
        let victim = try Self.record("deps-main", test, layers: [payload.layer])
        let forgeries = [
            try victim.encoded(), try victim.sealed(with: RecordKey()),
            // A seal of zeros, and one that is cut off.
            try victim.encoded() + [0x7a, 0x20] + [UInt8](repeating: 0, count: 32),
            try victim.sealed(with: test.service.configuration.recordKey).dropLast(),
        ]
        for bytes in forgeries {
            try await test.service.store(payload.blobs + [.raw(bytes)], in: evil, session: "session-evil")
        }
        let (service, catalog) = Self.rebuilding(test)
        let report = try await service.rebuildCatalog(acceptsUnsealed: false)
        #expect(report.restored == 0)
        #expect(report.leftOut.count >= 3 && report.leftOut.allSatisfy { $0.reason.contains("seal") })
        #expect(try await catalog.entries(EntryFilter()).entries.isEmpty)
        let (credulous, other) = Self.rebuilding(test)
        #expect(try await credulous.rebuildCatalog(acceptsUnsealed: true).restored == 1)
        #expect(try await other.entries(EntryFilter()).entries.count == 1)
    }

    @Test func `a sealed record whose layers do not fit its recipe is left out`() async throws {
        let test = try TestService()
        let layer = try TestLayer.noise(1, count: 1_000)
        var wrong = layer.layer
        wrong.path = "../../etc"
        var large = layer.layer
        large.size += 512
        for (index, layers) in [[wrong], [large], []].enumerated() {
            let record = try Self.record("k\(index)", test, layers: layers)
            let bytes = try record.sealed(with: test.service.configuration.recordKey)
            try await test.service.store(layer.blobs + [.raw(bytes)], in: test.project, session: "session-1")
        }
        let (service, catalog) = Self.rebuilding(test)
        let report = try await service.rebuildCatalog(acceptsUnsealed: false)
        #expect(report.restored == 0 && report.leftOut.count == 3)
        #expect(try await catalog.entries(EntryFilter()).entries.isEmpty)
        #expect(try await catalog.storedBytes() == 0)
    }
}

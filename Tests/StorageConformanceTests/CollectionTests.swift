import CacheModel
import MemoryStorage
import StorageInterface
import Testing

struct CollectionTests {
    @Test(arguments: CatalogKind.allCases)
    func `what an entry or a session needs is not collected`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("k")
        try await bench.catalog.recordStored([Bench.record("upload", 5)], for: bench.session("s", until: 100))
        #expect(try await bench.collect(at: 99).isEmpty)
        #expect(try await bench.collect(at: 100) == [digest("upload")])
        try await bench.change(.remove(.deleted), "k")
        #expect(try await bench.collect().isEmpty)
        _ = try await bench.evict(undo: 2_000)
        let gone = Set(["chunk k", "recipe k", "stamps k", "record k 1"].map(digest))
        #expect(try await bench.collect() == gone)
        #expect(try await bench.catalog.allBlobs(after: nil, limit: 10).isEmpty)
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `a layer said to be known stays until the session ends`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("k")
        let layer = try await bench.catalog.knownLayer(digest("tree k"), for: bench.session("s", until: 500))
        #expect(layer?.recipe == digest("recipe k"))
        try await bench.change(.remove(.deleted), "k")
        _ = try await bench.evict(undo: 2_000)
        #expect(try await !bench.collect(at: 400).contains(digest("chunk k")))
        try await bench.save("again", content: "k", at: 450)
        #expect(try await bench.key("again") == "again")
        #expect(try await bench.catalog.knownLayer(digest("no such tree"), for: bench.session("s")) == nil)
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `a preview says what a collection does, and does nothing`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("kept")
        try await bench.save("gone")
        try await bench.change(.remove(.deleted), "gone")
        let before = try await bench.catalog.statistics(of: nil)
        let preview = try await bench.catalog.previewCollection(
            by: EvictionPolicy(),
            keepRemovedSince: Timestamp(milliseconds: 2_000),
            except: [],
            at: Timestamp(milliseconds: 1_000)
        )
        #expect(try await bench.catalog.statistics(of: nil) == before)
        _ = try await bench.evict(undo: 2_000)
        let condemned = try await bench.catalog.condemn(limit: 100, except: [], at: Timestamp(milliseconds: 1_000))
        #expect(preview.blobs == condemned.count)
        #expect(preview.bytes == condemned.reduce(0) { $0 + $1.storedSize })
        #expect(preview.blobs > 0)
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `an entry that is being restored is neither evicted nor forgotten`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("k")
        let id = try #require(try await bench.catalog.entries(EntryFilter()).entries.first?.id)
        for leased in [[id], []] as [Set<Int64>] {
            let report = try await bench.catalog.evict(
                by: EvictionPolicy(budget: 0),
                keepRemovedSince: Timestamp(milliseconds: 0),
                except: leased,
                at: Timestamp(milliseconds: 1_000),
                limit: 10,
                actor: AuditEvent.server
            )
            #expect(report.removed.count == (leased.isEmpty ? 1 : 0))
        }
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `ending a session gives its pins back`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        let session = bench.session("s")
        try await bench.catalog.recordStored([Bench.record("upload", 5)], for: session)
        #expect(try await bench.collect(at: 10).isEmpty)
        try await bench.catalog.end(session)
        #expect(try await bench.collect(at: 10) == [digest("upload")])
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `a layer that is being read is not released`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("k")
        try await bench.change(.remove(.deleted), "k")
        _ = try await bench.evict(undo: 2_000)
        let gone = try await bench.collect(except: [digest("recipe k")])
        #expect(!gone.contains(digest("chunk k")))
        #expect(try await bench.collect().contains(digest("chunk k")))
    }

    @Test(arguments: CatalogKind.allCases)
    func `nobody learns what another project stores`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        let other = try ProjectName("acme/other")
        try await bench.save("k")
        let chunk = digest("chunk k")
        #expect(try await bench.catalog.pin([chunk], for: bench.session("s", in: other)) == [chunk])
        #expect(try await bench.catalog.blobs([chunk], in: other).isEmpty)
        #expect(try await bench.catalog.knownLayer(digest("tree k"), for: bench.session("s", in: other)) == nil)
        #expect(try await bench.catalog.pin([chunk], for: bench.session("t")).isEmpty)
        #expect(try await bench.catalog.blobs([chunk], in: bench.project)[chunk]?.storedSize == 100)
    }

    @Test(arguments: CatalogKind.allCases)
    func `an entry that needs an invisible blob is refused and leaves nothing`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        let record = Bench.record("record", 1)
        try await bench.catalog.recordStored([record], for: bench.session("s"))
        let commit = Commit(
            project: bench.project,
            scope: .shared,
            key: try CacheKey("k"),
            layers: [CommittedLayer(layer: Bench.layer("k", size: 1), blobs: [digest("chunk k")])],
            provenance: Provenance(template: "k"),
            createdAt: 1,
            expiresAt: nil,
            onConflict: .keep,
            record: record.digest,
            session: nil
        )
        let error = try await #require(throws: CacheError.self) {
            try await bench.catalog.commit(commit, actor: "alice")
        }
        #expect(error.code == .invalidRequest)
        #expect(try await bench.catalog.statistics(of: nil).layers == 0)
        #expect(try await bench.key("k") == nil)
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `entries that need missing bytes are misses until the bytes come back`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("k")
        try await bench.save("other")
        let chunk = digest("chunk k")
        let removed = try await bench.catalog.markMissing([chunk], at: 5, actor: AuditEvent.server)
        #expect(removed.map(\.removal?.reason) == [.damaged])
        #expect(try await bench.keys() == ["other"])
        #expect(try await bench.change(.restore, "k").isEmpty)
        #expect(try await bench.catalog.knownLayer(digest("tree k"), for: bench.session("s")) == nil)
        #expect(try await bench.catalog.pin([chunk], for: bench.session("s")) == [chunk])
        try await bench.requireNoDrift()
        try await bench.catalog.recordStored([Bench.record("chunk k", 100)], for: bench.session("s"))
        #expect(try await bench.key("k") == "k")
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `a blob that came back to life is not deleted by an earlier verdict`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        let record = Bench.record("b", 5)
        try await bench.catalog.recordStored([record], for: bench.session("s", until: 5))
        let condemned = try await bench.catalog.condemn(limit: 10, except: [], at: 10)
        #expect(condemned.map(\.digest) == [record.digest])
        #expect(try await bench.catalog.condemn(limit: 10, except: [], at: 10) == condemned)
        try await bench.catalog.recordStored([record], for: bench.session("t"))
        let freed = try await bench.catalog.forget(condemned) { _ in Issue.record("a living blob was deleted") }
        #expect(freed == 0)
        #expect(try await bench.catalog.blobs([record.digest], in: bench.project).count == 1)
    }

    @Test(arguments: CatalogKind.allCases)
    func `a deletion that fails leaves the blob condemned`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.catalog.recordStored([Bench.record("b", 5)], for: bench.session("s", until: 5))
        let condemned = try await bench.catalog.condemn(limit: 10, except: [], at: 10)
        await #expect(throws: CacheError.self) {
            try await bench.catalog.forget(condemned) { _ in throw CacheError(.unavailable, "no") }
        }
        #expect(try await bench.catalog.forget(condemned) { _ in } == 5)
    }

    /// Uploads follow the rule: put, record, look, and put again what a deletion took in between.
    @Test(arguments: CatalogKind.allCases)
    func `collecting while the same blobs are uploaded again loses none`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        let store = MemoryBlobStore()
        let blobs = (0..<4).map { rawBlob([UInt8($0)]) }
        let records = blobs.map { BlobRecord(digest: $0.digest, encoding: .raw, size: 1, storedSize: 1) }
        let isDone = Flag()
        let rounds = kind == .memory ? 2_000 : 400
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while !isDone.isSet {
                    let condemned = try await bench.catalog.condemn(limit: 10, except: [], at: 10)
                    _ = try await bench.catalog.forget(condemned) { digests in
                        await Task.yield()
                        try await store.delete(digests)
                    }
                    await Task.yield()
                }
            }
            for round in 0..<rounds {
                let session = bench.session("s\(round)", until: 100)
                try await store.put(blobs)
                try await bench.catalog.recordStored(records, for: session)
                let lost = Set(try await store.missing(from: blobs.map(\.digest)))
                try await store.put(blobs.filter { lost.contains($0.digest) })
                await Task.yield()
                #expect(try await store.missing(from: blobs.map(\.digest)).isEmpty, "round \(round)")
                #expect(try await bench.catalog.blobs(blobs.map(\.digest), in: bench.project).count == 4)
                // The session ends, so the next round races with the deletion of these.
                _ = try await bench.catalog.condemn(limit: 10, except: [], at: 100)
            }
            isDone.set()
            try await group.waitForAll()
        }
        try await bench.requireNoDrift()
    }
}

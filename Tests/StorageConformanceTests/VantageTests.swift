import CacheModel
import StorageInterface
import Testing

/// What jobs that do not trust each other can see of each other's scopes.
struct VantageTests {
    private let main = [Scope.of("branch/main")]
    private let own = [Scope.of("pr/1"), .of("branch/main")]
    private let sibling = [Scope.of("pr/2"), .of("branch/main")]

    @Test(arguments: CatalogKind.allCases)
    func `a layer is known below the scope that saved it, never above or beside it`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("a", content: "base", scope: .of("branch/main"), sees: self.main)
        try await bench.save("b", content: "mine", scope: .of("pr/1"), sees: self.own)
        func isKnown(_ content: String, _ scopes: [Scope]?) async throws -> Bool {
            let session = bench.session("s \(content)", scopes: scopes, until: 2)
            return try await bench.catalog.knownLayer(digest("tree \(content)"), for: session) != nil
        }
        for scopes in [self.main, self.own, self.sibling, nil] { #expect(try await isKnown("base", scopes)) }
        for scopes in [self.own, nil] { #expect(try await isKnown("mine", scopes)) }
        for scopes in [self.main, self.sibling, []] { #expect(try await !isKnown("mine", scopes)) }
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `a poisoned layer with the tree of a later save stays where it was saved`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        let session = bench.session("poison", scopes: self.own, scope: .of("pr/1"))
        var poison = Bench.layer("poison", size: 1_000)
        poison.treeDigest = digest("tree honest")
        let names = ["chunk poison", "recipe poison", "stamps poison", "record poison"]
        try await bench.catalog.recordStored(names.map { Bench.record($0, 1) }, for: session)
        _ = try await bench.catalog.commit(
            Commit(
                project: bench.project,
                scope: .of("pr/1"),
                key: try CacheKey("poison"),
                layers: [CommittedLayer(layer: poison, blobs: [digest("chunk poison")])],
                provenance: Provenance(template: "t"),
                createdAt: 1,
                expiresAt: nil,
                onConflict: .keep,
                record: digest("record poison"),
                session: session
            )
        )
        let tree = digest("tree honest")
        #expect(try await bench.catalog.knownLayer(tree, for: bench.session("m", scopes: self.main)) == nil)
        #expect(try await bench.catalog.knownLayer(tree, for: bench.session("n", scopes: self.sibling)) == nil)
        // Where all trust each other it is taken over; that is what `isolated` is for.
        #expect(try await bench.catalog.knownLayer(tree, for: bench.session("o"))?.recipe == poison.recipe)
        try await bench.save("k", content: "honest", at: 3, scope: .of("branch/main"), sees: self.main)
        let known = try await bench.catalog.knownLayer(tree, for: bench.session("p", scopes: self.main))
        #expect(known?.recipe == digest("recipe honest"))
    }

    @Test(arguments: CatalogKind.allCases)
    func `a layer that was removed is not known any more, but its restores end well`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("k", scope: .of("pr/1"), sees: self.own)
        try await bench.change(.remove(.deleted), "k")
        let session = bench.session("s", scopes: self.own)
        #expect(try await bench.catalog.knownLayer(digest("tree k"), for: session) == nil)
        let vantage = Vantage(bench.project, scopes: self.own)
        #expect(try await bench.catalog.blobs([digest("chunk k")], in: vantage, session: nil).count == 1)
        try await bench.change(.restore, "k")
        #expect(try await bench.catalog.knownLayer(digest("tree k"), for: session)?.recipe == digest("recipe k"))
    }

    @Test(arguments: CatalogKind.allCases)
    func `a known layer has the stamps of an entry that counts, not those of its first save`(
        _ kind: CatalogKind
    ) async throws {
        let bench = try Bench(kind)
        try await bench.save("theirs", content: "same", scope: .of("pr/2"), sees: self.sibling)
        let session = bench.session("mine", scopes: self.own, scope: .of("pr/1"))
        var layer = Bench.layer("same", size: 1_000)
        layer.stamps = digest("my stamps")
        let names = ["chunk same", "recipe same", "my stamps", "my record"]
        try await bench.catalog.recordStored(names.map { Bench.record($0, 1) }, for: session)
        _ = try await bench.catalog.commit(
            Commit(
                project: bench.project,
                scope: .of("pr/1"),
                key: try CacheKey("mine"),
                layers: [CommittedLayer(layer: layer, blobs: [digest("chunk same")])],
                provenance: Provenance(template: "t"),
                createdAt: 2,
                expiresAt: nil,
                onConflict: .keep,
                record: digest("my record"),
                session: session
            )
        )
        let known = try await bench.catalog.knownLayer(digest("tree same"), for: bench.session("s", scopes: self.own))
        #expect(known?.stamps == digest("my stamps"))
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `blobs of siblings are missing, and nobody else's session shows them`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("theirs", scope: .of("pr/2"), sees: self.sibling)
        let upload = bench.session("upload theirs", scopes: self.sibling, scope: .of("pr/2"))
        try await bench.catalog.recordStored([Bench.record("upload", 5)], for: upload)
        let wanted = ["chunk theirs", "recipe theirs", "stamps theirs", "record theirs 1", "upload"].map(digest)
        let mine = bench.session("mine", scopes: self.own)
        #expect(try await bench.catalog.pin(wanted, for: mine) == wanted)
        #expect(try await bench.catalog.blobs(wanted, in: mine.vantage, session: mine).isEmpty)
        #expect(try await bench.catalog.blobs(wanted, in: upload.vantage, session: nil).count == 4)
        #expect(try await bench.catalog.blobs(wanted, in: upload.vantage, session: upload).count == 5)
        #expect(try await bench.catalog.pin(wanted, for: upload).isEmpty)
        let seen = Vantage(bench.project, scopes: self.own)
        let key = try CacheKey("theirs")
        #expect(try await bench.catalog.history(of: key, in: seen, limit: 9).isEmpty)
        #expect(try await bench.catalog.relatives(ofTemplate: "t-{{ .Branch }}", in: seen, limit: 9).isEmpty)
        #expect(try await bench.catalog.entries(EntryFilter(scopes: self.own)).entries.isEmpty)
        #expect(try await bench.catalog.entries(EntryFilter(scopes: self.sibling)).entries.count == 1)
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `a commit cannot name chunks, layers or stamps that only others may see`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("theirs", content: "c", scope: .of("pr/2"), sees: self.sibling)
        let parts = [[], ["recipe", "stamps"], ["chunk", "recipe"], ["chunk", "stamps"]]
        for (index, uploads) in parts.enumerated() {
            let (now, pull) = (Int64(index + 10), Scope.of("pr/1"))
            let error = try await #require(throws: CacheError.self) {
                try await bench.save("k", content: "c", at: now, scope: pull, sees: self.own, uploads: uploads)
            }
            #expect(error.code == .invalidRequest)
        }
        #expect(try await bench.resolve("k", scopes: self.own) == nil)
        try await bench.save("k", content: "c", at: 5, scope: .of("pr/1"), sees: self.own)
        #expect(try await bench.resolve("k", scopes: self.own)?.entry.scope.text == "pr/1")
        #expect(try await bench.catalog.statistics(of: nil).layers == 1)
        try await bench.requireNoDrift()
    }
}

/// Pull requests cannot push out what others rely on.
struct UnprotectedScopeTests {
    private static let main = Scope.of("branch/main")
    private static let pull = Scope.of("pr/1")

    @Test(arguments: CatalogKind.allCases)
    func `bytes count as unprotected while nobody else needs them`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        func held() async throws -> Int {
            try await bench.requireNoDrift()
            return try await bench.catalog.unprotectedBytes()
        }
        try await bench.save("m", content: "a", scope: Self.main)
        #expect(try await held() == 0)
        try await bench.save("p", content: "a", at: 2, scope: Self.pull)
        #expect(try await held() == 1)
        try await bench.save("q", content: "b", at: 3, scope: Self.pull)
        #expect(try await held() == 104)
        try await bench.change(.remove(.deleted), "m")
        _ = try await bench.evict(undo: 2_000)
        #expect(try await held() == 206)
        try await bench.save("n", content: "b", at: 4, scope: Self.main)
        #expect(try await held() == 104)
        let session = bench.session("up", scope: Self.pull, until: 900)
        try await bench.catalog.recordStored([Bench.record("upload", 7)], for: session)
        #expect(try await held() == 111)
        for key in ["p", "q"] { try await bench.change(.remove(.deleted), key) }
        _ = try await bench.evict(undo: 2_000)
        #expect(try await held() == 7)
        try await bench.catalog.end(session)
        #expect(try await held() == 0)
    }

    @Test(arguments: CatalogKind.allCases)
    func `room for an unprotected scope is made of unprotected entries only`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        for number in 1...3 { try await bench.save("m\(number)", at: Int64(number), scope: Self.main) }
        try await bench.change(.remove(.deleted), "m3")
        for number in 4...6 { try await bench.save("p\(number)", at: Int64(number), scope: Self.pull) }
        let report = try await bench.evict(unprotectedBudget: 210, evictsProtected: false)
        #expect(report.removed.map(\.key.text) == ["p4"])
        _ = try await bench.evict(budget: 0, evictsProtected: false)
        #expect(try await bench.keys(includingRemoved: true) == ["m1", "m2", "m3"])
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `others take from unprotected scopes first where these exceed their share`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        for number in 1...6 { try await bench.save("m\(number)", at: Int64(number), scope: Self.main) }
        for number in 7...10 { try await bench.save("p\(number)", at: Int64(number), scope: Self.pull) }
        let report = try await bench.evict(budget: 700)
        // 25 % of 700 are 175 bytes, one entry of theirs.
        #expect(report.removed.map(\.key.text) == ["p7", "p8", "p9", "m1"])
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `the budget of a project is met at the cost of its unprotected scopes`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        for number in 1...3 { try await bench.save("m\(number)", at: Int64(number), scope: Self.main) }
        for number in 4...6 { try await bench.save("p\(number)", at: Int64(number), scope: Self.pull) }
        let report = try await bench.evict(projectBudget: 320)
        #expect(report.removed.map(\.key.text) == ["p4", "p5", "p6"])
        try await bench.requireNoDrift()
    }
}

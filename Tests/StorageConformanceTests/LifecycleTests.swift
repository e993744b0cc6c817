import CacheModel
import StorageInterface
import Testing

struct LifecycleTests {
    @Test(arguments: CatalogKind.allCases)
    func `a taken key is kept`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("k", content: "first")
        guard case .exists(let entry) = try await bench.save("k", content: "second", at: 2) else {
            Issue.record("the key was taken twice")
            return
        }
        #expect(entry.layers.map(\.path) == ["first"])
    }

    @Test(arguments: CatalogKind.allCases)
    func `a replaced entry can be brought back once its key is free`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("k", content: "first")
        try await bench.save("k", content: "second", at: 2, onConflict: .replace)
        #expect(try await bench.resolve("k")?.entry.layers.map(\.path) == ["second"])
        #expect(try await bench.change(.restore, "k").isEmpty)
        #expect(try await bench.change(.remove(.deleted), "k", at: 3) == ["k"])
        #expect(try await bench.key("k") == nil)
        #expect(try await bench.change(.restore, "k") == ["k"])
        #expect(try await bench.resolve("k")?.entry.layers.map(\.path) == ["second"])
        let history = try await bench.catalog.history(of: try CacheKey("k"), in: bench.project, limit: 10)
        #expect(history.map(\.kind) == [.restoredByHand, .removed(.deleted), .saved, .removed(.replaced), .saved])
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `a dry run says what would change and changes nothing`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        for key in ["a-1", "a-2", "b-1"] { try await bench.save(key) }
        let target = EntryChange.Target.prefix(try CacheKey("a-"))
        let change = EntryChange(.remove(.deleted), target, in: bench.project, scope: nil, isDryRun: true)
        #expect(try await bench.catalog.change(change, at: 5, actor: "bob").map(\.key.text) == ["a-1", "a-2"])
        #expect(try await bench.keys() == ["a-1", "a-2", "b-1"])
    }

    @Test(arguments: CatalogKind.allCases)
    func `of fifty commits on one key at once exactly one wins`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        let winners = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<50 {
                group.addTask {
                    let outcome = try await bench.save("k", content: "c\(number)", at: Int64(number + 1))
                    if case .committed = outcome { return true }
                    return false
                }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(winners == 1)
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `expired entries go, pinned ones stay`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("old", expires: 50)
        try await bench.save("pinned", expires: 50)
        try await bench.change(.pin, "pinned")
        let report = try await bench.evict(budget: 0, at: 60)
        #expect(report.removed.map(\.key.text) == ["old"])
        #expect(report.removed.first?.removal == Removal(at: 60, reason: .expired))
        #expect(report.isOverBudget)
        #expect(try await bench.key("pinned", at: 60) == "pinned")
    }

    @Test(arguments: CatalogKind.allCases)
    func `the least recently used goes first, and only as many as needed`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        for (index, key) in ["a", "b", "c", "d"].enumerated() { try await bench.save(key, at: Int64(index + 1)) }
        let first = try #require(try await bench.resolve("a", match: .exact)?.entry.id)
        var traffic = Traffic()
        traffic.uses[first] = 100
        try await bench.catalog.note(traffic)
        let report = try await bench.evict(budget: 210)
        #expect(report.removed.map(\.key.text) == ["b", "c"])
        #expect(!report.isOverBudget)
        #expect(try await bench.keys() == ["a", "d"])
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `small entries keep their share while a large one is there`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        let large = 1_000_000_000
        for number in 0..<5 { try await bench.save("small\(number)", stored: 10, size: 1_000, at: Int64(number + 1)) }
        try await bench.save("large1", stored: 5_000, size: large, at: 50)
        try await bench.save("large2", stored: 5_000, size: large, at: 60)
        let report = try await bench.evict(budget: 6_000)
        #expect(report.removed.map(\.key.text) == ["large1"])
    }

    @Test(arguments: CatalogKind.allCases)
    func `a project over its own budget loses only its own entries`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        let other = try ProjectName("acme/other")
        try await bench.save("oldest", at: 1, in: other)
        try await bench.save("a", at: 2)
        try await bench.save("b", at: 3)
        let report = try await bench.evict(projectBudget: 150)
        #expect(report.removed.map(\.key.text) == ["a"])
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `a project with too many entries loses the least recently used ones`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("other", at: 1, in: try ProjectName("acme/other"))
        for (index, key) in ["a", "b", "c", "d", "e"].enumerated() { try await bench.save(key, at: Int64(index) + 2) }
        try await bench.change(.pin, "a")
        try await bench.change(.remove(.deleted), "d", at: 20)
        #expect(try await bench.catalog.entryCount(of: bench.project) == 5)
        let report = try await bench.evict(projectEntries: 3)
        // What was removed goes first, then one entry is removed and forgotten.
        #expect(report.removed.map(\.key.text) == ["b"] && report.forgotten == 2)
        #expect(try await bench.keys(includingRemoved: true) == ["a", "c", "e"])
        #expect(try await bench.evict(projectEntries: 3).removed.isEmpty)
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `removed entries are kept for their time, but not while a budget is exceeded`(_ kind: CatalogKind) async throws
    {
        let bench = try Bench(kind)
        for key in ["a", "b", "c"] { try await bench.save(key) }
        try await bench.change(.remove(.deleted), "a", at: 20)
        try await bench.change(.remove(.deleted), "b", at: 30)
        #expect(try await bench.evict(undo: 20).forgotten == 0)
        #expect(try await bench.evict(undo: 21).forgotten == 1)
        #expect(try await bench.change(.restore, "a").isEmpty)
        let report = try await bench.evict(budget: 150)
        #expect(report.forgotten == 1)
        #expect(report.removed.isEmpty)
        #expect(try await bench.keys(includingRemoved: true) == ["c"])
        try await bench.requireNoDrift()
    }

    @Test(arguments: CatalogKind.allCases)
    func `an eviction step removes no more than its limit`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        for number in 0..<10 { try await bench.save("k\(number)", at: Int64(number + 1)) }
        let first = try await bench.evict(budget: 0, limit: 3)
        #expect(first.removed.count == 3)
        #expect(first.isOverBudget)
        while try await !bench.evict(budget: 0, limit: 3).removed.isEmpty {}
        #expect(try await bench.keys().isEmpty)
    }

    @Test(arguments: CatalogKind.allCases)
    func `traffic and figures add up`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("a", content: "same", stored: 100, size: 700)
        try await bench.save("b", content: "same", stored: 100, size: 700, at: 2)
        var traffic = Traffic()
        let family = Traffic.Family(project: bench.project, name: "t-")
        traffic.families[family, default: Traffic.Counts()].misses = 2
        try await bench.catalog.note(traffic)
        try await bench.catalog.note(traffic)
        let figures = try await bench.catalog.statistics(of: bench.project)
        #expect(figures.entries == 2)
        #expect(figures.layers == 1)
        #expect(figures.logicalBytes == 1_400)
        #expect(figures.storedBytes == 104)
        #expect(figures.families[family]?.misses == 4)
        #expect(try await bench.catalog.statistics(of: nil).storedBytes == 104)
        #expect(
            try await bench.catalog.relatives(ofTemplate: "t-{{ .Branch }}", in: bench.project, limit: 1).map(
                \.key.text
            ) == ["b"]
        )
    }
}

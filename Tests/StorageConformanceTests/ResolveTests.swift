import CacheModel
import StorageInterface
import Testing

struct ResolveTests {
    @Test(arguments: CatalogKind.allCases)
    func `the newest entry that starts with the key wins, even over the key itself`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("v1-myapp-cache")
        try await bench.save("v1-myapp-cache-new")
        let found = try #require(try await bench.resolve("v1-myapp-cache"))
        #expect(found.entry.key.text == "v1-myapp-cache-new")
        #expect(!found.isExact)
        let exact = try #require(try await bench.resolve("v1-myapp-cache", match: .exact))
        #expect(exact.entry.key.text == "v1-myapp-cache")
        #expect(exact.isExact)
    }

    @Test(arguments: CatalogKind.allCases)
    func `newest is the order of commits, not the clock`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("a-1", at: 500)
        try await bench.save("a-2", at: 100)
        #expect(try await bench.key("a-") == "a-2")
    }

    @Test(arguments: CatalogKind.allCases)
    func `patterns are tried in order, and within each the scopes`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        let main = try Scope("branch/main")
        try await bench.save("b-1", scope: main)
        try await bench.save("b-2", scope: .shared)
        try await bench.save("c-1", scope: .shared)
        let found = try #require(try await bench.resolve("a-", "b-", "c-", scopes: [main, .shared]))
        #expect(found.entry.key.text == "b-1")
        #expect(found.patternIndex == 1)
        #expect(try await bench.resolve("b-", scopes: [.shared, main])?.entry.key.text == "b-2")
        #expect(try await bench.resolve("c-", scopes: [main]) == nil)
    }

    @Test(arguments: CatalogKind.allCases)
    func `a prefix ends at its bytes`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        let top = "\u{10ffff}"
        for key in ["a", "b", "a\(top)", "a\(top)\(top)x", "\(top)\(top)", "\u{d7ff}1", "\u{e000}1", "A"] {
            try await bench.save(key)
        }
        #expect(try await bench.key("a") == "a\(top)\(top)x")
        #expect(try await bench.key("b") == "b")
        #expect(try await bench.key("\u{d7ff}") == "\u{d7ff}1")
        #expect(try await bench.key(top) == "\(top)\(top)")
        #expect(try await bench.key("A") == "A")
        #expect(try await bench.key("c") == nil)
    }

    @Test(arguments: CatalogKind.allCases)
    func `the newest of many is found by every prefix, and the one before it once it is removed`(
        _ kind: CatalogKind
    ) async throws {
        let bench = try Bench(kind)
        let prefixes = ["dep", "deps-", "deps-a", "deps-a/b-", "deps-a/b-1", "deps-a/b-1-2-3-4-5-6-7-8-9-", "none-"]
        try await bench.save("deps-a/b-1-2-3-4-5-6-7-8-9-x")
        for number in 0..<1_100 { try await bench.save("deps-a/b-1\(number)") }
        let newest = "deps-a/b-1-2-3-4-5-6-7-8-9-y"
        try await bench.save(newest)
        func found() async throws -> [String?] {
            var keys: [String?] = []
            for prefix in prefixes { keys.append(try await bench.key(prefix)) }
            return keys
        }
        #expect(try await found() == Array(repeating: newest, count: 6) + [nil])
        try await bench.change(.remove(.deleted), newest)
        let second = "deps-a/b-11099"
        let long = "deps-a/b-1-2-3-4-5-6-7-8-9-x"
        #expect(try await found() == Array(repeating: second, count: 5) + [long, nil])
        try await bench.change(.restore, newest)
        #expect(try await found() == Array(repeating: newest, count: 6) + [nil])
    }

    @Test(arguments: CatalogKind.allCases)
    func `keys are bytes: nothing in them is a wildcard or is normalised`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        let keys = ["a/b+c=d", "100%_x", "1000_x", "caf\u{e9}", "cafe\u{301}", "缓存-1", "a'b\"c;--", "sp ace"]
        for key in keys { try await bench.save(key) }
        for key in keys { #expect(try await bench.key(key)?.utf8.elementsEqual(key.utf8) == true) }
        #expect(try await bench.key("100%") == "100%_x")
        #expect(try await bench.key("100_") == nil)
        #expect(try await bench.keys().count == keys.count)
    }

    @Test(arguments: CatalogKind.allCases)
    func `an entry whose time is over is a miss at once`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("k", expires: 100)
        #expect(try await bench.key("k", at: 99) == "k")
        #expect(try await bench.key("k", at: 100) == nil)
        let outcome = try await bench.save("k", content: "new", at: 100)
        guard case .committed = outcome else { Issue.record("the key was not free"); return }
        #expect(try await bench.key("k", at: 100) == "k")
    }

    @Test(arguments: CatalogKind.allCases)
    func `projects do not see each other's entries`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("k", in: try ProjectName("acme/other"))
        #expect(try await bench.key("k") == nil)
    }

    @Test(arguments: CatalogKind.allCases)
    func `pages are in the order of keys, then newest first, and complete`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        for number in 0..<23 {
            try await bench.save("k\(number % 7)", content: "\(number)", at: Int64(number + 1), onConflict: .replace)
        }
        var all: [Entry] = []
        var cursor: String?
        repeat {
            let filter = EntryFilter(
                project: bench.project,
                prefix: "k",
                includesRemoved: true,
                cursor: cursor,
                limit: 4
            )
            let page = try await bench.catalog.entries(filter)
            all += page.entries
            cursor = page.cursor
        } while cursor != nil
        #expect(all.count == 23)
        #expect(all.map(\.key.text) == all.map(\.key.text).sorted())
        for (lhs, rhs) in zip(all, all.dropFirst()) where lhs.key == rhs.key { #expect(lhs.id > rhs.id) }
        #expect(try await bench.keys() == (0..<7).map { "k\($0)" })
    }
}

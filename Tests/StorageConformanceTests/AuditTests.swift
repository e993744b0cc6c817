import CacheModel
import GRDB
import LayerKernels
import SQLiteCatalog
import StorageInterface
import Testing

struct AuditTests {
    private static func words(_ bench: Bench, after: Int64 = 0) async throws -> [String] {
        try await bench.catalog.auditPage(AuditFilter(after: after)).rows.map { row in
            "\(row.event.actor) \(row.event.action.rawValue) \(row.event.key)"
        }
    }

    @Test(arguments: CatalogKind.allCases)
    func `every change has a row with who did it, and nothing else has one`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("k", content: "first")
        try await bench.save("k", content: "second", at: 2)
        try await bench.save("k", content: "third", at: 3, onConflict: .replace)
        for action: EntryChange.Action in [.pin, .pin, .unpin, .remove(.deleted), .restore] {
            try await bench.change(action, "k")
        }
        let dry = EntryChange(.pin, .key(try CacheKey("k")), in: bench.project, scope: nil, isDryRun: true)
        _ = try await bench.catalog.change(dry, at: 20, actor: "bob")
        _ = try await bench.resolve("k")
        _ = try await bench.catalog.markMissing([digest("chunk third")], at: 30, actor: AuditEvent.server)
        try await bench.catalog.recordStored([Bench.record("chunk third", 100)], for: bench.session("healing"))
        _ = try await bench.evict(budget: 0)
        try await bench.catalog.note(AuditEvent(.tokenCreated, by: "carol", at: 40, detail: "ci"))
        #expect(
            try await Self.words(bench) == [
                "alice saved k", "alice replaced k", "alice saved k", "bob pinned k", "bob unpinned k", "bob deleted k",
                "bob brought-back k", "server blob-lost ", "server damaged k", "server brought-back k",
                "server evicted k", "carol token-created ",
            ]
        )
    }

    @Test(arguments: CatalogKind.allCases)
    func `a row says what was saved, and the commit gives it back`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        guard case .committed(let entry, let row) = try await bench.save("k", size: 77, at: 5) else {
            Issue.record("not committed")
            return
        }
        let event = row.event
        #expect(event.entry == entry.id && event.bytes == 77 && event.record == digest("record k 5") && event.at == 5)
        #expect(event.project == "acme/shop" && event.scope == "shared" && event.key == "k")
        #expect(try await bench.catalog.auditRow(ofSaved: entry.id) == row)
        #expect(try await bench.catalog.auditHead() == row.head)
        #expect(try await bench.catalog.auditRow(ofSaved: entry.id + 1) == nil)
    }

    @Test(arguments: CatalogKind.allCases)
    func `what expires makes room in the name of the server`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        try await bench.save("k", expires: 100)
        try await bench.save("k", content: "new", at: 200)
        #expect(try await Self.words(bench) == ["alice saved k", "server expired k", "alice saved k"])
    }

    @Test(arguments: CatalogKind.allCases)
    func `a commit that is refused leaves no row`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        let commit = Commit(
            project: bench.project,
            scope: .shared,
            key: try CacheKey("k"),
            layers: [CommittedLayer(layer: Bench.layer("x", size: 1), blobs: [digest("x")])],
            provenance: Provenance(template: ""),
            createdAt: 1,
            expiresAt: nil,
            onConflict: .keep,
            record: digest("record"),
            session: nil
        )
        await #expect(throws: CacheError.self) { try await bench.catalog.commit(commit, actor: "alice") }
        #expect(try await bench.catalog.auditHead() == .empty)
    }

    @Test(arguments: CatalogKind.allCases)
    func `pages go on where they ended, for one project or all`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        for number in 0..<10 {
            try await bench.save("k\(number)", in: number % 2 == 0 ? nil : try ProjectName("acme/other"))
        }
        let page = try await bench.catalog.auditPage(AuditFilter(after: 4, limit: 3))
        #expect(page.rows.map(\.sequence) == [5, 6, 7] && page.head.sequence == 10)
        let filter = AuditFilter(project: try ProjectName("acme/other"), after: 2, limit: 3)
        #expect(try await bench.catalog.auditPage(filter).rows.map(\.sequence) == [4, 6, 8])
    }

    @Test(arguments: CatalogKind.allCases)
    func `old rows can be dropped, and the rest still follows from where they ended`(_ kind: CatalogKind) async throws {
        let bench = try Bench(kind)
        for number in 1...6 { try await bench.save("k\(number)", at: Int64(number * 10)) }
        #expect(try await bench.catalog.trimAudit(before: 10, limit: 100) == 0)
        #expect(try await bench.catalog.trimAudit(before: 45, limit: 3) == 3)
        #expect(try await bench.catalog.trimAudit(before: 45, limit: 3) == 1)
        let verdict = try await AuditVerdict.check { try await bench.catalog.auditPage(AuditFilter(after: $0)) }
        #expect(verdict.problem == nil && verdict.droppedUpTo == 4 && verdict.rows == 4)
        #expect(try await Self.words(bench).suffix(2) == ["server log-trimmed ", "server log-trimmed "])
        try await bench.save("after", at: 100)
        #expect(try await bench.catalog.auditHead().sequence == 9)
    }

    @Test func `SQLite itself refuses to change or take away a row`() async throws {
        let bench = try Bench(.sqlite)
        try await bench.save("k")
        try await bench.save("l")
        try (bench.catalog as? SQLiteCatalog)?.close()
        let queue = try DatabaseQueue(path: bench.directory.path + "/catalog.sqlite")
        for sql in ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit WHERE sequence = 1"] {
            await #expect(throws: DatabaseError.self) { try await queue.write { try $0.execute(sql: sql) } }
        }
        try queue.close()
    }

    @Test func `concurrent commits make one chain, and a database of before gets an empty log`() async throws {
        let bench = try Bench(.sqlite)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<64 { group.addTask { try await bench.save("k\(number)") } }
            try await group.waitForAll()
        }
        let verdict = try await AuditVerdict.check {
            try await bench.catalog.auditPage(AuditFilter(after: $0, limit: 7))
        }
        #expect(verdict.problem == nil && verdict.rows == 64)
        try (bench.catalog as? SQLiteCatalog)?.close()
        let path = bench.directory.path + "/catalog.sqlite"
        let queue = try DatabaseQueue(path: path)
        try await queue.write { database in
            try database.execute(
                sql: """
                    DROP TABLE audit; DROP TABLE audit_anchor; PRAGMA user_version = 2;
                    ALTER TABLE entries DROP COLUMN signature;
                    DELETE FROM grdb_migrations WHERE identifier = '4-audit'
                    """
            )
        }
        try queue.close()
        let catalog = try SQLiteCatalog(path: path)
        #expect(try await catalog.auditHead() == .empty)
        #expect(try await catalog.entries(EntryFilter()).entries.count == 64)
        try catalog.close()
    }
}

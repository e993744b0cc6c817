import CacheModel
import GRDB
import SQLiteCatalog
import StorageInterface
import Testing

struct SQLiteFileTests {
    @Test func `reopening keeps everything, also read-only`() async throws {
        let bench = try Bench(.sqlite)
        try await bench.save("k")
        let path = bench.directory.path + "/catalog.sqlite"
        try (bench.catalog as? SQLiteCatalog)?.close()
        for access in [SQLiteCatalog.Access.readWrite, .readOnly] {
            let catalog = try SQLiteCatalog(path: path, access: access)
            #expect(try await catalog.entries(EntryFilter()).entries.map(\.key.text) == ["k"])
            #expect(try await catalog.check().isEmpty)
            try catalog.close()
        }
        let catalog = try SQLiteCatalog(path: path, access: .readOnly)
        await #expect(throws: CacheError.self) { try await catalog.recordStored([], for: bench.session("s")) }
    }

    @Test func `a database of another program or of a newer version is refused and not changed`() async throws {
        for pragma in ["application_id = 7", "user_version = 99"] {
            let directory = try TemporaryDirectory()
            let path = directory.path + "/catalog.sqlite"
            if pragma.hasPrefix("user_version") { try SQLiteCatalog(path: path).close() }
            let queue = try DatabaseQueue(path: path)
            try await queue.write { try $0.execute(sql: "CREATE TABLE mine (a); PRAGMA \(pragma)") }
            try queue.close()
            let error = try #require(throws: CacheError.self) { _ = try SQLiteCatalog(path: path) }
            #expect(error.code == .invalidRequest)
            #expect(error.message.contains(pragma.hasPrefix("user_version") ? "upgrade tarnd" : "another program"))
        }
    }

    @Test func `a database whose first start was cut off is used`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/catalog.sqlite"
        let queue = try DatabaseQueue(path: path)
        // All that GRDB's migrator has put into the file before the first migration.
        try await queue.write {
            try $0.execute(sql: "CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)")
        }
        try queue.close()
        let catalog = try SQLiteCatalog(path: path)
        #expect(try await catalog.check().isEmpty)
    }

    @Test func `a database from before scopes learns which bytes unprotected scopes hold`() async throws {
        let bench = try Bench(.sqlite)
        try await bench.save("m", content: "a", scope: .of("branch/main"))
        try await bench.save("p", content: "a", at: 2, scope: .of("pr/1"))
        try await bench.save("q", content: "b", at: 3, scope: .of("fork/acme"))
        try await bench.save("r", content: "b", at: 4, scope: .of("previous/1"))
        try await bench.save("s", content: "c", at: 5, scope: .of("dev/ann"))
        let held = try await bench.catalog.unprotectedBytes()
        try (bench.catalog as? SQLiteCatalog)?.close()
        let path = bench.directory.path + "/catalog.sqlite"
        let queue = try DatabaseQueue(path: path)
        try await queue.write { database in
            try database.execute(
                sql: """
                    DROP INDEX entries_unprotected; DROP INDEX entries_project_unprotected;
                    DROP INDEX entries_unprotected_removed; DROP INDEX entries_project_unprotected_removed;
                    ALTER TABLE entries DROP COLUMN is_unprotected; ALTER TABLE layers DROP COLUMN unprotected;
                    ALTER TABLE blobs DROP COLUMN loose; ALTER TABLE sessions DROP COLUMN is_unprotected;
                    ALTER TABLE totals DROP COLUMN loose_bytes; ALTER TABLE totals DROP COLUMN unprotected_entries;
                    DELETE FROM grdb_migrations WHERE identifier = '5-scopes'; PRAGMA user_version = 2
                    """
            )
        }
        try queue.close()
        let catalog = try SQLiteCatalog(path: path)
        #expect(try await catalog.unprotectedBytes() == held)
        #expect(try await catalog.check() == [])
    }

    @Test func `the entries of an older database are counted`() async throws {
        let bench = try Bench(.sqlite)
        for key in ["a", "b", "c"] { try await bench.save(key) }
        try await bench.change(.remove(.deleted), "a")
        try (bench.catalog as? SQLiteCatalog)?.close()
        let path = bench.directory.path + "/catalog.sqlite"
        let queue = try DatabaseQueue(path: path)
        try await queue.write { database in
            try database.execute(
                sql: """
                    DROP TRIGGER entries_added; DROP TRIGGER entries_forgotten; DROP INDEX projects_by_entries;
                    ALTER TABLE projects DROP COLUMN entries;
                    DELETE FROM grdb_migrations WHERE identifier = '6-entry-counts'; PRAGMA user_version = 5
                    """
            )
        }
        try queue.close()
        let catalog = try SQLiteCatalog(path: path)
        #expect(try await catalog.entryCount(of: bench.project) == 3)
        #expect(try await catalog.check() == [])
    }

    @Test func `no question reads a whole table`() async throws {
        let bench = try Bench(.sqlite)
        try (bench.catalog as? SQLiteCatalog)?.close()
        let queue = try DatabaseQueue(path: bench.directory.path + "/catalog.sqlite")
        let questions = [
            "SELECT max(id) FROM entries INDEXED BY entries_visible WHERE removed_at IS NULL AND project = 1"
                + " AND scope = '' AND (expires_at IS NULL OR expires_at > 1 OR is_pinned = 1) AND key >= 'a' AND key < 'b'",
            "SELECT id FROM entry_prefixes CROSS JOIN entries ON id = entry WHERE entry_prefixes.project = 1 AND prefix = 1"
                + " AND scope = '' AND key >= 'a' AND key < 'b' ORDER BY entry DESC LIMIT 1",
            "SELECT id FROM entries WHERE removed_at IS NULL AND is_pinned = 0 AND expires_at IS NOT NULL"
                + " AND expires_at <= 1 ORDER BY expires_at, id LIMIT 1",
            "SELECT * FROM entries WHERE size_class = 1 AND removed_at IS NULL AND is_pinned = 0"
                + " ORDER BY last_used_at, id LIMIT 1",
            "SELECT * FROM entries WHERE project = 1 AND size_class = 1 AND removed_at IS NULL AND is_pinned = 0"
                + " ORDER BY last_used_at, id LIMIT 1",
            "SELECT * FROM entries WHERE removed_at IS NOT NULL ORDER BY removed_at, id LIMIT 1",
            "SELECT * FROM entries WHERE project = 1 AND removed_at IS NOT NULL ORDER BY removed_at, id LIMIT 1",
            "SELECT * FROM entries WHERE project = 1 AND key >= 'a' AND key < 'b' AND removed_at IS NULL"
                + " ORDER BY key, id DESC LIMIT 1",
            "SELECT id FROM projects WHERE entries > 1",
            "SELECT * FROM entries WHERE project = 1 AND template = '' ORDER BY id DESC LIMIT 1",
            "SELECT id FROM layers WHERE project = 1 AND tree = x'00' AND missing = 0 ORDER BY id DESC LIMIT 1",
            "SELECT id FROM layers WHERE entries = 0 AND NOT EXISTS"
                + " (SELECT 1 FROM session_layers WHERE layer = layers.id) ORDER BY id LIMIT 1",
            "SELECT id FROM blobs WHERE refs = 0 AND pins = 0 AND state <> 1 ORDER BY id LIMIT 1",
            "SELECT digest FROM blobs WHERE state = 1 ORDER BY id LIMIT 1",
            "SELECT digest FROM blobs WHERE state = 0 AND digest > x'00' ORDER BY digest LIMIT 1",
            "UPDATE blobs SET refs = refs + 1 WHERE id IN (SELECT blob FROM layer_blobs WHERE layer = 1)",
            "SELECT id FROM sessions WHERE expires_at <= 1",
            "SELECT l.id FROM layers l CROSS JOIN entry_layers x ON x.layer = l.id CROSS JOIN entries e ON e.id = x.entry"
                + " WHERE l.project = 1 AND l.tree = x'00' AND l.missing = 0 AND e.removed_at IS NULL"
                + " AND e.scope IN ('a', 'b') ORDER BY l.id DESC, x.entry DESC, x.position DESC LIMIT 1",
            "SELECT 1 FROM session_layers WHERE session = 1 AND layer = 1",
            "SELECT 1 FROM entry_layers x CROSS JOIN entries e ON e.id = x.entry WHERE x.layer = 1 AND e.project = 1"
                + " AND e.scope IN ('a', 'b')",
            "SELECT 1 FROM entry_blobs x CROSS JOIN entries e ON e.id = x.entry WHERE x.blob = 1 AND e.project = 1"
                + " AND e.scope IN ('a', 'b') LIMIT 1",
            "SELECT layer FROM layer_blobs WHERE blob = 1",
            "SELECT * FROM entries WHERE removed_at IS NULL AND is_pinned = 0 AND is_unprotected = 1"
                + " ORDER BY last_used_at, id LIMIT 1",
            "SELECT * FROM entries WHERE removed_at IS NULL AND is_pinned = 0 AND is_unprotected = 1 AND project = 1"
                + " ORDER BY last_used_at, id LIMIT 1",
            "SELECT * FROM entries WHERE removed_at IS NOT NULL AND is_unprotected = 1 ORDER BY removed_at, id LIMIT 1",
            "SELECT * FROM entries WHERE removed_at IS NOT NULL AND is_unprotected = 1 AND project = 1"
                + " ORDER BY removed_at, id LIMIT 1",
            "DELETE FROM events WHERE id <= 1",
            "SELECT sequence, hash FROM audit WHERE sequence = (SELECT max(sequence) FROM audit)",
            "SELECT * FROM audit WHERE sequence > 1 ORDER BY sequence LIMIT 1",
            "SELECT * FROM audit WHERE project = '' AND sequence > 1 ORDER BY sequence LIMIT 1",
            "SELECT * FROM audit WHERE action = 'saved' AND entry = 1",
        ]
        for question in questions {
            let plan = try await queue.read { database in
                try Row.fetchAll(database, sql: "EXPLAIN QUERY PLAN \(question)").map { $0["detail"] as String }
            }
            for step in plan {
                let isScan = step.hasPrefix("SCAN") && !step.contains("USING")
                #expect(!isScan && !step.contains("TEMP B-TREE"), "\(question): \(plan)")
            }
        }
    }
}

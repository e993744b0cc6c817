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
            "SELECT * FROM entries WHERE project = 1 AND template = '' ORDER BY id DESC LIMIT 1",
            "SELECT id FROM layers WHERE project = 1 AND tree = x'00' AND missing = 0 ORDER BY id DESC LIMIT 1",
            "SELECT id FROM layers WHERE entries = 0 AND NOT EXISTS"
                + " (SELECT 1 FROM session_layers WHERE layer = layers.id) ORDER BY id LIMIT 1",
            "SELECT id FROM blobs WHERE refs = 0 AND pins = 0 AND state <> 1 ORDER BY id LIMIT 1",
            "SELECT digest FROM blobs WHERE state = 1 ORDER BY id LIMIT 1",
            "SELECT digest FROM blobs WHERE state = 0 AND digest > x'00' ORDER BY digest LIMIT 1",
            "UPDATE blobs SET refs = refs + 1 WHERE id IN (SELECT blob FROM layer_blobs WHERE layer = 1)",
            "SELECT id FROM sessions WHERE expires_at <= 1",
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

internal import CacheModel
internal import GRDB

extension SQLiteCatalog {
    /// The version of the SQLite library, such as `3.46.1`.
    package static var engineVersion: String {
        let queue = try? DatabaseQueue()
        let version = try? queue?.read { try String.fetchOne($0, sql: "SELECT sqlite_version()") }
        return version ?? "unknown"
    }
}

extension SQLiteCatalog {
    /// Moves everything from the write-ahead log into the database file and empties the log; blocks.
    package func checkpoint() throws {
        do {
            _ = try self.pool.writeWithoutTransaction { try $0.checkpoint(.truncate) }
        } catch {
            throw CatalogFailure.wrap(error)
        }
    }
}

extension SQLiteCatalog {
    /// Reads the structure of the whole file; blocks.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `corrupt` if it is damaged.
    package func requireSound() throws {
        let problem: String?
        do {
            problem = try self.pool.unsafeRead { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }
        } catch {
            throw CatalogFailure.wrap(error)
        }
        guard problem == "ok" else {
            // SQLite tells it on several lines, and a log has one.
            let words = (problem ?? "it cannot be checked").split(whereSeparator: \.isNewline).joined(separator: " ")
            throw CacheError(.corrupt, "the database is damaged: \(words)")
        }
    }
}

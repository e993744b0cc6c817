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

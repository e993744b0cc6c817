internal import GRDB

extension SQLiteCatalog {
    /// The version of the SQLite library, such as `3.46.1`.
    package static var engineVersion: String {
        let queue = try? DatabaseQueue()
        let version = try? queue?.read { try String.fetchOne($0, sql: "SELECT sqlite_version()") }
        return version ?? "unknown"
    }
}

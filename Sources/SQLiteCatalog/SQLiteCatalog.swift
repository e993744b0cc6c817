internal import CSQLiteSettings
internal import CacheModel
internal import GRDB
internal import StorageInterface
internal import Synchronization

/// The catalog in one SQLite file, for one process.
///
/// One connection writes and checkpoints, the others only read. Concurrent
/// transactions share a commit, so that they share a sync of the disk.
package struct SQLiteCatalog: Catalog {
    /// What survives a loss of power.
    package enum Durability: Hashable, Sendable {
        /// Every transaction that was answered.
        case strict
        /// All but the last ones; the file stays consistent.
        case relaxed
    }

    /// How the file is opened.
    package enum Access: Hashable, Sendable {
        case readWrite
        /// Never changes a row; for looking at the folder of a server that is stopped.
        case readOnly
    }

    /// The most events that are kept.
    static let eventLimit = 100_000

    let pool: DatabasePool
    let queue: CommitQueue
    let gate = DigestGate()

    /// Opens the catalog at `path`, creating it or bringing its schema up to date.
    ///
    /// - Parameters:
    ///   - path: The database file.
    ///   - durability: What survives a loss of power.
    ///   - access: Whether anything may be changed.
    ///   - readers: How many connections read at once.
    /// - Throws: ``CacheError`` with code `invalidRequest` for a database of another program or of a newer version.
    package init(
        path: String,
        durability: Durability = .strict,
        access: Access = .readWrite,
        readers: Int = 4
    ) throws {
        do {
            self.pool = try DatabasePool(
                path: path,
                configuration: Self.configuration(path: path, durability, access, readers: readers)
            )
            if access == .readWrite {
                // GRDB sets NORMAL when it turns WAL on.
                let level = durability == .strict ? "FULL" : "NORMAL"
                try self.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = \(level)") }
                try Schema.migrator.migrate(self.pool)
            } else {
                try self.pool.read { try Schema.requireTables($0, path: path) }
            }
        } catch {
            throw CatalogFailure.wrap(error)
        }
        self.queue = CommitQueue(self.pool)
    }

    /// Checkpoints and closes the file; later calls fail.
    package func close() throws {
        do { try self.pool.close() } catch { throw CatalogFailure.wrap(error) }
    }

    private static func configuration(
        path: String,
        _ durability: Durability,
        _ access: Access,
        readers: Int
    ) -> Configuration {
        var configuration = Configuration()
        configuration.readonly = access == .readOnly
        configuration.maximumReaderCount = readers
        configuration.busyMode = .timeout(5)
        configuration.foreignKeysEnabled = true
        configuration.persistentReadOnlyConnections = true
        configuration.prepareDatabase { database in
            if let connection = database.sqliteConnection {
                _ = tarn_sqlite_set_defensive(UnsafeMutableRawPointer(connection))
            }
            try database.execute(sql: "PRAGMA trusted_schema = OFF")
            try database.execute(sql: "PRAGMA cell_size_check = ON")
            try database.execute(sql: "PRAGMA mmap_size = 0")
            try Schema.check(database, path: path)
            guard !database.configuration.readonly else { return }
            try database.execute(sql: "PRAGMA secure_delete = OFF")
            try database.execute(sql: "PRAGMA cache_size = -65536")
            try database.execute(sql: "PRAGMA journal_size_limit = 67108864")
        }
        return configuration
    }

    /// How many transactions have reached the disk since the catalog was opened, those counted once that shared a sync.
    package var finishedCommits: Int { self.queue.finished.load(ordering: .relaxed) }

    /// Reads one consistent state.
    func read<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        do { return try await self.pool.read(body) } catch { throw CatalogFailure.wrap(error) }
    }

    /// Runs a transaction; it is durable when the call returns.
    func write<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        try await self.queue.write(body)
    }
}

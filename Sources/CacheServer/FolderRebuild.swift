internal import CLinux
package import CacheModel
package import CacheService
internal import Glibc
internal import Logging
internal import NIOPosix
internal import SQLiteCatalog

/// A new database for a stopped server's folder, made from the blobs alone.
package enum FolderRebuild {
    /// What was done.
    package struct Outcome: Sendable {
        /// What the new database has.
        package var report: RebuildReport
        /// Where the database is that was there before, if there was one.
        package var oldCatalog: String?
    }

    /// Makes the new database, then puts it in the place of the old one, which is kept beside it.
    ///
    /// - Parameters:
    ///   - path: The data folder; no server may have it.
    ///   - acceptsUnsealed: Whether to believe entry records without the folder's seal.
    ///   - now: What the old database's name tells.
    /// - Returns: What was done.
    /// - Throws: ``CacheModel/CacheError`` if the folder is in use, is not Tarn's, or cannot be opened.
    package static func run(
        _ path: String,
        acceptsUnsealed: Bool,
        now: Timestamp = .current
    ) async throws -> Outcome {
        let keyPath = DataFolder.recordKeyPath(in: path)
        if access(path + "/tarn.json", F_OK) == 0, access(keyPath, F_OK) != 0, !acceptsUnsealed {
            throw CacheError(
                .invalidRequest,
                "'\(keyPath)' is missing, and without it no entry record can be told from one that a job forged; "
                    + "copy it from a backup, or say --accept-unsealed if every job that could save was trusted"
            )
        }
        let folder = try DataFolder(path, creating: false)
        let threads = NIOThreadPool(numberOfThreads: max(2, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        threads.start()
        do {
            let outcome = try await self.rebuild(folder, threads, acceptsUnsealed: acceptsUnsealed, now: now)
            try await threads.shutdownGracefully()
            return outcome
        } catch {
            try? await threads.shutdownGracefully()
            throw error
        }
    }

    private static func rebuild(
        _ folder: DataFolder,
        _ threads: NIOThreadPool,
        acceptsUnsealed: Bool,
        now: Timestamp
    ) async throws -> Outcome {
        let new = folder.catalogPath + ".new"
        for suffix in CatalogFiles.suffixes { unlink(new + suffix) }
        // Nobody waits for one transaction: the file is synced as a whole before it gets its name.
        let storage = try await Storage.open(folder, catalogPath: new, isStrict: false, threads)
        let service = storage.makeService(
            ServerConfiguration(),
            logger: Logger(label: "tarnd") { _ in SwiftLogNoOpLogHandler() }
        )
        let report = try await service.rebuildCatalog(acceptsUnsealed: acceptsUnsealed)
        let problems = try await storage.catalog.check()
        guard problems.isEmpty else {
            throw CacheError(.corrupt, "the new database '\(new)' is not sound: \(problems[0])")
        }
        try storage.catalog.checkpoint()
        try storage.catalog.close()
        try CatalogFiles.settle(new)
        return Outcome(report: report, oldCatalog: try CatalogFiles.replace(folder.catalogPath, with: new, at: now))
    }
}

/// The names of a database: the file itself, and SQLite's two beside it.
enum CatalogFiles {
    static let suffixes = ["", "-wal", "-shm"]
    /// A database of at most this many bytes is checked at every start; that takes a fraction of a second.
    static let smallSize = 64 * 1_048_576

    /// Whether the last process that had the database open ended without closing it.
    static func hasLog(_ path: String) -> Bool {
        var status = stat()
        return stat(path + "-wal", &status) == 0 && status.st_size > 0
    }

    /// Refuses a folder whose database is gone while its blobs are there: a new one would know none of them.
    static func requireNotLost(in folder: DataFolder) throws {
        var status = stat()
        let hasCatalog = stat(folder.catalogPath, &status) == 0 && status.st_size > 0
        guard !hasCatalog, try DataFolder.names(in: folder.path + "/blobs").contains(where: { $0.utf8.count == 2 })
        else { return }
        throw CacheError(
            .corrupt,
            "'\(folder.catalogPath)' is gone or empty, but there are blobs; make a new database with "
                + "tarnd rebuild-index --data '\(folder.path)', or move 'blobs' away to start with nothing"
        )
    }

    /// Puts `new` in the place of a database, whose files get new names.
    ///
    /// At no moment is there no database under the name. A log goes first: with another database it would be taken
    /// for that one's.
    ///
    /// - Returns: Where the old database is, if there was one.
    static func replace(_ path: String, with new: String, at now: Timestamp) throws -> String? {
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        let digits = "\(now)".prefix(19).filter(\.isNumber)
        var old = "\(path).\(digits).old"
        var attempt = 0
        while access(old, F_OK) == 0 {
            attempt += 1
            old = "\(path).\(digits)-\(attempt).old"
        }
        for suffix in ["-wal", "-shm"] {
            guard rename(path + suffix, old + suffix) == 0 || errno == ENOENT else {
                throw DataFolder.failure("rename '\(path + suffix)'")
            }
        }
        let hadCatalog = link(path, old) == 0
        guard hadCatalog || errno == ENOENT else { throw DataFolder.failure("keep '\(path)' as '\(old)'") }
        try AtomicFile.syncFolder(folder)
        guard rename(new, path) == 0 else { throw DataFolder.failure("rename '\(new)'") }
        try AtomicFile.syncFolder(folder)
        return hadCatalog ? old : nil
    }

    /// Makes a closed database durable, and removes SQLite's two files beside it, which are empty.
    static func settle(_ path: String) throws {
        guard !self.hasLog(path) else {
            throw CacheError(.unavailable, "the log of '\(path)' was not emptied; try again")
        }
        for suffix in ["-wal", "-shm"] { unlink(path + suffix) }
        let descriptor = tarn_openat(AT_FDCWD, path, O_RDONLY, 0)
        guard descriptor >= 0 else { throw DataFolder.failure("open '\(path)'") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw DataFolder.failure("sync '\(path)'") }
    }
}

internal import CLinux
package import CacheModel
package import CacheService
internal import DiskBlobs
internal import Glibc
internal import NIOPosix
internal import SQLiteCatalog
internal import StorageInterface

/// A new data folder from a backup.
package enum BackupRestore {
    /// What was done.
    package struct Report: Sendable {
        /// Visible entries in the new folder.
        package var entries = 0
        /// Blobs in the new folder.
        package var blobs = 0
        /// How many of them share their bytes with the backup.
        package var linkedBlobs = 0
        /// When the backup was made.
        package var backupTime = ""
        /// Entries that the backup no longer has all bytes of.
        package var incompleteEntries: [Entry] = []
        /// The check of the new folder.
        package var check = CheckReport()
    }

    /// Makes a data folder from a backup and checks it.
    ///
    /// The mark that makes it a data folder comes last: a folder that was not finished is refused by the server.
    ///
    /// - Parameters:
    ///   - source: The folder with the backup.
    ///   - path: The new data folder; empty, or not there yet.
    ///   - copies: Whether to copy files even where hard links are possible.
    ///   - readData: Whether the check reads every blob.
    ///   - now: When entries whose bytes the backup lost are hidden.
    /// - Returns: What was done.
    /// - Throws: ``CacheModel/CacheError`` if there is no finished backup, or the new folder is not empty.
    package static func run(
        _ source: String,
        to path: String,
        copies: Bool,
        readData: Bool,
        now: Timestamp = .current
    ) async throws -> Report {
        let backup = try BackupFolder(source, creating: false)
        let manifest = try backup.manifest()
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw DataFolder.failure("create folder '\(path)'") }
        try DataFolder.requireNothing(path)
        let threads = NIOThreadPool(numberOfThreads: 8)
        threads.start()
        var report = Report()
        report.backupTime = manifest.createdAt
        do {
            try await self.fill(path, from: backup, copies: copies, threads, &report, now: now)
            try await threads.shutdownGracefully()
        } catch {
            try? await threads.shutdownGracefully()
            throw error
        }
        report.check = try await FolderCheck.run(path, readData: readData, repair: false)
        if report.entries + report.incompleteEntries.count != manifest.entries {
            report.check.problems.append(
                "the backup says that it has \(manifest.entries) entries, its database has \(report.entries)"
            )
        }
        return report
    }

    private static func fill(
        _ path: String,
        from backup: BackupFolder,
        copies: Bool,
        _ threads: NIOThreadPool,
        _ report: inout Report,
        now: Timestamp
    ) async throws {
        let mirror = try BlobMirror(from: backup.path, to: path, copies: copies)
        let catalogPath = path + "/catalog.sqlite"
        let catalog = try await threads.runIfActive {
            try SQLiteCatalog.copy(backup.catalogPath, to: catalogPath)
            return try SQLiteCatalog(path: catalogPath, durability: .relaxed)
        }
        let brought = try await BlobTransfer.run(catalog, mirror, threads)
        report.blobs = brought.present.count
        report.linkedBlobs = brought.linked
        report.incompleteEntries = try await catalog.markMissing(brought.missing, at: now, actor: AuditEvent.server)
        report.entries = try await catalog.statistics(of: nil).entries
        try catalog.checkpoint()
        try catalog.close()
        try await threads.runIfActive { try mirror.sync() }
        let key = try AtomicFile.read(DataFolder.recordKeyPath(in: backup.path), limit: 256)
        try AtomicFile.write(key, to: DataFolder.recordKeyPath(in: path), mode: 0o600)
        // A backup of before receipts has none.
        let serverKeyPath = DataFolder.serverKeyPath(in: backup.path)
        if access(serverKeyPath, F_OK) == 0 {
            let serverKey = try AtomicFile.read(serverKeyPath, limit: 256)
            try AtomicFile.write(serverKey, to: DataFolder.serverKeyPath(in: path), mode: 0o600)
        }
        try AtomicFile.syncFolder(path)
        try DataFolder.mark(path)
    }
}

internal import CLinux
package import CacheModel
internal import DiskBlobs
internal import Glibc
internal import NIOPosix
internal import SQLiteCatalog
internal import StorageInterface

/// A copy of a data folder that can be made while its server runs.
///
/// First the database is copied as it is at one moment, then the blobs that the copy names are brought over. The
/// collector may delete some in between, so the database is copied again until nothing is missing: what was brought
/// over before stays. If that does not come to an end, the entries that were evicted meanwhile are hidden in the copy.
package enum FolderBackup {
    /// What was done.
    package struct Report: Hashable, Sendable {
        /// Visible entries in the backup.
        package var entries = 0
        /// Blobs in the backup.
        package var blobs = 0
        /// Their stored bytes.
        package var bytes = 0
        /// Blobs that were not in the folder before.
        package var newBlobs = 0
        /// How many of them share their bytes with the source.
        package var linkedBlobs = 0
        /// Blobs of an earlier backup that are no longer needed.
        package var removedBlobs = 0
        /// How often the database was copied.
        package var rounds = 0
        /// Entries that lost bytes while they were copied, or before.
        package var incompleteEntries: [Entry] = []

        package init() {}
    }

    /// The most copies of the database before entries that keep losing bytes are hidden.
    static let roundLimit = 6

    /// Makes or renews a backup.
    ///
    /// - Parameters:
    ///   - data: The data folder; its server may run.
    ///   - target: A folder with an earlier backup, an empty one, or none.
    ///   - copies: Whether to copy files even where hard links are possible.
    ///   - now: The time that the manifest tells.
    /// - Returns: What was done.
    /// - Throws: ``CacheModel/CacheError`` if either folder is not what it should be, or the backup is not sound.
    package static func run(
        _ data: String,
        to target: String,
        copies: Bool,
        now: Timestamp = .current
    ) async throws -> Report {
        guard access(data + "/tarn.json", F_OK) == 0 else {
            throw CacheError(.invalidRequest, "'\(data)' is no data folder of tarnd: it has no tarn.json")
        }
        try DataFolder.checkMarker(data)
        let folder = try BackupFolder(target)
        let threads = NIOThreadPool(numberOfThreads: 8)
        threads.start()
        do {
            let run = BackupRun(
                data: data,
                folder: folder,
                mirror: try BlobMirror(from: data, to: target, copies: copies),
                threads: threads
            )
            let report = try await run.run(now: now)
            try await threads.shutdownGracefully()
            return report
        } catch {
            try? await threads.shutdownGracefully()
            throw error
        }
    }
}

/// One backup in the making.
private struct BackupRun {
    let data: String
    let folder: BackupFolder
    let mirror: BlobMirror
    let threads: NIOThreadPool

    func run(now: Timestamp) async throws -> FolderBackup.Report {
        var report = FolderBackup.Report()
        let (catalog, wanted) = try await self.bringAll(&report, now: now)
        report.entries = try await catalog.statistics(of: nil).entries
        let problems = try await catalog.check()
        guard problems.isEmpty else {
            throw CacheError(.corrupt, "the database's copy is not sound: \(problems[0]); run tarnd check")
        }
        try catalog.checkpoint()
        try catalog.close()
        try await self.threads.runIfActive { try self.mirror.sync() }
        try CatalogFiles.settle(self.folder.newCatalogPath)
        let key = try AtomicFile.read(DataFolder.recordKeyPath(in: self.data), limit: 256)
        try AtomicFile.write(key, to: DataFolder.recordKeyPath(in: self.folder.path), mode: 0o600)
        let serverKeyPath = DataFolder.serverKeyPath(in: self.data)
        if access(serverKeyPath, F_OK) == 0 {
            let serverKey = try AtomicFile.read(serverKeyPath, limit: 256)
            try AtomicFile.write(serverKey, to: DataFolder.serverKeyPath(in: self.folder.path), mode: 0o600)
        }
        try self.folder.publish()

        // Only now, when the earlier backup's database is gone, are its blobs of no use.
        let (kept, removed) = try await self.threads.runIfActive {
            try self.mirror.prune { wanted[$0.digest] == $0 }
        }
        guard kept == wanted.count else {
            throw CacheError(.corrupt, "the backup should have \(wanted.count) blobs and has \(kept); make it again")
        }
        (report.blobs, report.removedBlobs) = (kept, removed)
        report.bytes = wanted.values.reduce(0) { $0 + $1.storedSize }
        try self.folder.finish(
            BackupManifest(
                format: BackupManifest.knownFormat,
                version: TarnServer.version,
                createdAt: "\(now)",
                entries: report.entries,
                blobs: report.blobs,
                bytes: report.bytes
            )
        )
        return report
    }

    /// Copies the database and brings its blobs over, until both fit each other.
    private func bringAll(
        _ report: inout FolderBackup.Report,
        now: Timestamp
    ) async throws -> (SQLiteCatalog, [Digest: StoredBlobInfo]) {
        var before: Set<Digest> = []
        while true {
            report.rounds += 1
            let path = self.folder.newCatalogPath
            for suffix in CatalogFiles.suffixes { unlink(path + suffix) }
            let catalog = try await self.threads.runIfActive {
                try SQLiteCatalog.copy(self.data + "/catalog.sqlite", to: path)
                return try SQLiteCatalog(path: path, durability: .relaxed)
            }
            let brought = try await BlobTransfer.run(catalog, self.mirror, self.threads)
            report.newBlobs += brought.linked + brought.copied
            report.linkedBlobs += brought.linked
            let missing = Set(brought.missing)
            // Bytes that were missing the last time too are lost, not collected.
            if missing.subtracting(before).isEmpty || report.rounds == FolderBackup.roundLimit {
                report.incompleteEntries = try await catalog.markMissing(
                    brought.missing,
                    at: now,
                    actor: AuditEvent.server
                )
                return (catalog, brought.present)
            }
            before = missing
            try catalog.close()
        }
    }
}

/// All blobs that a catalog names, from one folder to another.
enum BlobTransfer {
    struct Result: Sendable {
        var present: [Digest: StoredBlobInfo] = [:]
        var missing: [Digest] = []
        var linked = 0
        var copied = 0
    }

    /// How many files are linked or copied at once.
    private static let workers = 8

    static func run(_ catalog: SQLiteCatalog, _ mirror: BlobMirror, _ threads: NIOThreadPool) async throws -> Result {
        var result = Result()
        var cursor: Digest?
        while true {
            let page = try await catalog.allBlobs(after: cursor, limit: 4_000)
            guard let last = page.last else { return result }
            cursor = last.digest
            let outcomes = try await withThrowingTaskGroup(of: [(BlobRecord, BlobMirror.Outcome)].self) { group in
                for first in 0..<self.workers {
                    group.addTask {
                        try await threads.runIfActive {
                            try stride(from: first, to: page.count, by: self.workers).map {
                                (page[$0], try mirror.bring(page[$0]))
                            }
                        }
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            for (blob, outcome) in outcomes { result.note(blob, outcome) }
        }
    }
}

extension BlobTransfer.Result {
    fileprivate mutating func note(_ blob: BlobRecord, _ outcome: BlobMirror.Outcome) {
        switch outcome {
        case .missing: return self.missing.append(blob.digest)
        case .linked: self.linked += 1
        case .copied: self.copied += 1
        case .present: break
        }
        self.present[blob.digest] = StoredBlobInfo(
            digest: blob.digest,
            encoding: blob.encoding,
            storedSize: blob.storedSize
        )
    }
}

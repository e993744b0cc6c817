internal import CLinux
package import CacheModel
internal import Glibc
package import NIOPosix
package import StorageInterface
internal import Synchronization

/// Blobs as files: `blobs/ab/cd/<hex>` for raw bytes, `<hex>.zst` for zstd frames.
///
/// A file appears under its name only when it is complete: it is written to
/// `tmp`, synced and renamed. One process at a time may use a folder; whoever
/// opens it takes the lock.
package struct DiskBlobStore: BlobStore {
    /// What survives a loss of power.
    package enum Durability: Hashable, Sendable {
        /// Everything that was stored.
        case strict
        /// Whatever the kernel had written; for stores that are verified before use.
        case relaxed
    }

    /// Stored forms of at most this many bytes are read when they are opened.
    package static let inlineLimit = 65_536
    /// How many threads one `put` uses.
    private static let batchesAtOnce = 2

    /// Whether damaged blobs were in quarantine when the store was opened.
    package let hadDamage: Bool
    private let layout: DiskLayout
    private let threads: NIOThreadPool
    /// Where the disk is written, and where names are looked for that may not be there: a write that hangs must not take
    /// the threads that read, and the kernel holds a folder's lock while it waits for the disk to make a name in it.
    private let writers: NIOThreadPool
    private let durability: Durability

    /// Opens the store in `directory`, creating it if it is not there, and deletes what unfinished writes left.
    ///
    /// - Parameters:
    ///   - directory: The data folder, which holds `blobs` and `tmp`.
    ///   - threads: Where blobs are opened; it must be started.
    ///   - writers: Where all other calls run; `threads` if it is left out.
    ///   - durability: What survives a loss of power.
    /// - Throws: ``CacheError`` with code `unavailable` or `quotaExceeded`.
    package init(
        directory: String,
        threads: NIOThreadPool,
        writers: NIOThreadPool? = nil,
        durability: Durability = .strict
    ) async throws {
        (self.layout, self.hadDamage) = try await threads.runIfActive {
            let layout = try DiskLayout(directory: directory)
            return (layout, try !Quarantine(layout).isEmpty)
        }
        self.threads = threads
        self.writers = writers ?? threads
        self.durability = durability
    }

    /// How many syncs of files and folders have come back since the store was opened: a disk that hangs adds none.
    package var finishedSyncs: Int { self.layout.finishedSyncs.load(ordering: .relaxed) }

    package func missing(from digests: [Digest]) async throws -> [Digest] {
        try await self.writers.runIfActive {
            try digests.filter { try Self.encoding(of: $0, in: self.layout) == nil }
        }
    }

    package func open(_ digest: Digest) async throws -> StoredBlob {
        try await self.threads.runIfActive { try Self.open(digest, in: self.layout) }
    }

    package func open(_ digests: [Digest]) async throws -> [StoredBlob] {
        try await self.threads.runIfActive { try digests.map { try Self.open($0, in: self.layout) } }
    }

    package func put(_ blobs: [NewBlob]) async throws {
        guard !blobs.isEmpty else { return }
        // Each sync waits for the disk, and disks do many things at once.
        let count = min(Self.batchesAtOnce, blobs.count)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for part in 0..<count {
                let blobs = blobs[blobs.count * part / count..<blobs.count * (part + 1) / count]
                group.addTask { try await self.putBatch(Array(blobs)) }
            }
            try await group.waitForAll()
        }
    }

    private func putBatch(_ blobs: [NewBlob]) async throws {
        try await self.writers.runIfActive {
            var batch = DiskBatch(self.layout, isDurable: self.durability == .strict)
            try batch.store(blobs) { try Self.encoding(of: $0, in: self.layout) != nil }
        }
    }

    package func delete(_ digests: [Digest]) async throws {
        try await self.writers.runIfActive {
            for digest in digests {
                for encoding in BlobEncoding.allCases {
                    try DiskError.check("deleting blob \(digest)", tolerating: [ENOENT]) {
                        unlinkat(self.layout.blobs, DiskLayout.path(of: digest, encoding), 0)
                    }
                }
            }
        }
    }

    package func quarantine(_ digest: Digest, found: Discovery) async throws {
        try await self.writers.runIfActive { try Quarantine(self.layout).take(digest, found: found) }
    }

    /// Deletes what was put into quarantine before `limit`, then the oldest until at most `bytes` are left.
    ///
    /// - Returns: The bytes that are left.
    @discardableResult
    package func tidyQuarantine(keepingSince limit: Timestamp, atMost bytes: Int) async throws -> Int {
        try await self.writers.runIfActive { try Quarantine(self.layout).tidy(since: limit, atMost: bytes) }
    }

    package func list(after cursor: Digest?, limit: Int) async throws -> [StoredBlobInfo] {
        try await self.writers.runIfActive {
            var listing = DiskListing(self.layout, after: cursor, limit: limit)
            return try listing.run()
        }
    }

    private static func encoding(of digest: Digest, in layout: DiskLayout) throws -> BlobEncoding? {
        for encoding in [BlobEncoding.zstd, .raw] {
            let result = try DiskError.check("looking for blob \(digest)", tolerating: [ENOENT]) {
                faccessat(layout.blobs, DiskLayout.path(of: digest, encoding), F_OK, 0)
            }
            if result == 0 { return encoding }
        }
        return nil
    }

    private static func open(_ digest: Digest, in layout: DiskLayout) throws -> StoredBlob {
        for encoding in [BlobEncoding.zstd, .raw] {
            let descriptor = try DiskError.check(
                "opening blob \(digest)",
                tolerating: [ENOENT] + DiskError.lostSector
            ) {
                tarn_openat(layout.blobs, DiskLayout.path(of: digest, encoding), O_RDONLY, 0)
            }
            guard descriptor >= 0 else {
                if errno == ENOENT { continue }
                throw DiskError.reading(digest, errno)
            }
            var status = stat()
            guard fstat(descriptor, &status) == 0 else {
                let number = errno
                close(descriptor)
                throw DiskError.reading(digest, number)
            }
            let size = Int(status.st_size)
            let file = DiskBlobFile(digest, descriptor: descriptor, size: size)
            let content: BlobContent = size <= Self.inlineLimit ? .bytes(try file.read(0..<size)) : .file(file)
            return StoredBlob(encoding: encoding, storedSize: size, content: content)
        }
        throw CacheError(.notFound, "blob \(digest) is not in the store")
    }
}

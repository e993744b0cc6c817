internal import CLinux
internal import CacheModel
internal import Glibc
internal import NIOCore
internal import StorageInterface
internal import Synchronization

/// One call of `put`: writes all, syncs all, renames all, then syncs each touched directory once.
///
/// What was staged and not renamed is deleted when the batch goes.
struct DiskBatch: ~Copyable {
    private struct Staged {
        var name: String
        var digest: Digest
        var encoding: BlobEncoding
    }

    /// How many files are open at once between writing and syncing.
    private static let openFileLimit = 64

    private let layout: DiskLayout
    private let isDurable: Bool
    private var staged: [Staged] = []
    private var files: [Int32] = []
    private var touched: Set<UInt16> = []

    init(_ layout: DiskLayout, isDurable: Bool) {
        self.layout = layout
        self.isDurable = isDurable
    }

    deinit {
        for file in self.files { close(file) }
        for file in self.staged { unlinkat(self.layout.staging, file.name, 0) }
    }

    /// Stores the blobs that are not there yet.
    mutating func store(_ blobs: [NewBlob], isThere: (Digest) throws -> Bool) throws {
        var seen: Set<Digest> = []
        for blob in blobs where seen.insert(blob.digest).inserted {
            try Self.checkSize(of: blob)
            // Also for a blob that is there: whoever stored it may not have synced its directory yet.
            self.touched.insert(DiskLayout.directory(of: blob.digest))
            guard try !isThere(blob.digest) else { continue }
            try self.stage(blob)
            if self.files.count == Self.openFileLimit { try self.syncFiles() }
        }
        try self.syncFiles()
        try self.layout.create(self.touched)
        try self.publish()
        if self.isDurable { try self.layout.sync(self.touched) }
    }

    private mutating func stage(_ blob: NewBlob) throws {
        let name = self.layout.stagingName()
        let staging = self.layout.staging
        let file = try DiskError.check("storing blob \(blob.digest)") {
            tarn_openat(staging, name, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        }
        self.files.append(file)
        self.staged.append(Staged(name: name, digest: blob.digest, encoding: blob.encoding))
        try GatheredWrite.write(blob.pieces, to: file, "storing blob \(blob.digest)")
        try Self.requireSize(of: file, blob)
        // So that the disk works while the next blob is written; what goes wrong is seen by the sync.
        if self.isDurable { _ = tarn_start_writeback(file) }
    }

    private mutating func syncFiles() throws {
        while let file = self.files.last {
            // A sync that failed is never repeated on the same file: the kernel reports the loss only once.
            if self.isDurable {
                try DiskError.check("syncing blobs") { fdatasync(file) }
                self.layout.finishedSyncs.add(1, ordering: .relaxed)
            }
            self.files.removeLast()
            guard close(file) == 0 || errno == EINTR else { throw DiskError.make(errno, "storing blobs") }
        }
    }

    private mutating func publish() throws {
        while let file = self.staged.last {
            let path = DiskLayout.path(of: file.digest, file.encoding)
            let (blobs, staging) = (self.layout.blobs, self.layout.staging)
            let result = try DiskError.check("storing blob \(file.digest)", tolerating: [EEXIST]) {
                tarn_rename_noreplace(staging, file.name, blobs, path)
            }
            if result < 0 { unlinkat(staging, file.name, 0) }
            self.staged.removeLast()
        }
    }

    /// A disk that wrote less than it said is found out before the file has its name.
    private static func requireSize(of file: Int32, _ blob: NewBlob) throws {
        var status = stat()
        try DiskError.check("storing blob \(blob.digest)") { fstat(file, &status) }
        guard Int(status.st_size) == blob.storedSize else {
            throw CacheError(
                .unavailable,
                "storing blob \(blob.digest): the disk took \(status.st_size) of \(blob.storedSize) bytes; check the disk"
            )
        }
    }

    private static func checkSize(of blob: NewBlob) throws {
        let isRight = blob.encoding == .raw ? blob.storedSize == blob.size : blob.storedSize > 0 && blob.size >= 0
        guard isRight else {
            throw CacheError(
                .digestMismatch,
                "blob \(blob.digest) came with \(blob.storedSize) bytes, but was announced with \(blob.size); send it again"
            )
        }
    }
}

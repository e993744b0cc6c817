internal import CLinux
internal import CacheModel
internal import Glibc
package import StorageInterface

/// Brings blobs from one folder into another, as hard links where the file system allows it.
///
/// A blob's file never changes once it has its name, so both folders may share it; deleting it in one leaves it in
/// the other. The folder that is read from may belong to a running server: nothing in it is written.
package final class BlobMirror: Sendable {
    /// How a blob came to be in the target.
    package enum Outcome: Hashable, Sendable {
        /// It was there before.
        case present
        case linked
        case copied
        /// The source does not have it with the size that was asked for.
        case missing
    }

    private let source: Int32
    private let target: DiskLayout
    private let copies: Bool

    /// Opens both folders, creating what the target lacks.
    ///
    /// - Parameters:
    ///   - source: The folder whose `blobs` are read.
    ///   - target: The folder that gets a `blobs` and a `tmp`; nobody else may write there.
    ///   - copies: Whether to copy files even where they could be linked.
    /// - Throws: ``CacheError`` with code `unavailable` or `quotaExceeded`.
    package init(from source: String, to target: String, copies: Bool) throws {
        self.target = try DiskLayout(directory: target)
        self.copies = copies
        self.source = try DiskLayout.openDirectory(AT_FDCWD, source + "/blobs")
    }

    deinit { close(self.source) }

    /// Has the target hold a blob with the size that its row says; blocks on the disk.
    ///
    /// - Throws: ``CacheError`` with code `unavailable` or `quotaExceeded`.
    package func bring(_ blob: BlobRecord) throws -> Outcome {
        let path = DiskLayout.path(of: blob.digest, blob.encoding)
        if let size = try Self.size(of: path, in: self.target.blobs) {
            if size == blob.storedSize { return .present }
            try Self.remove(path, in: self.target.blobs)
        }
        guard try Self.size(of: path, in: self.source) == blob.storedSize else { return .missing }
        try self.target.create([DiskLayout.directory(of: blob.digest)])
        if !self.copies {
            // EXDEV: another file system. EPERM, EOPNOTSUPP: one without links. EMLINK: too many of them.
            let result = try DiskError.check(
                "linking blob \(blob.digest)",
                tolerating: [ENOENT, EXDEV, EPERM, EMLINK, EOPNOTSUPP]
            ) { linkat(self.source, path, self.target.blobs, path, 0) }
            if result == 0 { return try self.confirm(path, blob, .linked) }
            if errno == ENOENT { return .missing }
        }
        guard try self.copy(path, blob) else { return .missing }
        return try self.confirm(path, blob, .copied)
    }

    /// Removes the target's blobs that are not wanted; blocks on the disk.
    ///
    /// - Parameter isWanted: Tells which to keep.
    /// - Returns: How many were kept and removed.
    /// - Throws: ``CacheError`` with code `unavailable`.
    package func prune(keeping isWanted: (StoredBlobInfo) -> Bool) throws -> (kept: Int, removed: Int) {
        var (kept, removed) = (0, 0)
        var cursor: Digest?
        while true {
            var listing = DiskListing(self.target, after: cursor, limit: 1_000)
            let page = try listing.run()
            guard let last = page.last else { return (kept, removed) }
            cursor = last.digest
            for info in page {
                if isWanted(info) {
                    kept += 1
                } else {
                    for encoding in BlobEncoding.allCases {
                        try Self.remove(DiskLayout.path(of: info.digest, encoding), in: self.target.blobs)
                    }
                    removed += 1
                }
            }
        }
    }

    /// Makes everything that was brought durable; blocks on the disk.
    package func sync() throws {
        try DiskError.check("syncing blobs") { tarn_sync_file_system(self.target.blobs) }
    }

    /// The source may have deleted the blob and stored it anew between the look and the link.
    private func confirm(_ path: String, _ blob: BlobRecord, _ outcome: Outcome) throws -> Outcome {
        guard try Self.size(of: path, in: self.target.blobs) != blob.storedSize else { return outcome }
        try Self.remove(path, in: self.target.blobs)
        return .missing
    }

    private func copy(_ path: String, _ blob: BlobRecord) throws -> Bool {
        let doing = "copying blob \(blob.digest)"
        let input = try DiskError.check(doing, tolerating: [ENOENT]) { tarn_openat(self.source, path, O_RDONLY, 0) }
        guard input >= 0 else { return false }
        defer { close(input) }
        let name = self.target.stagingName()
        let output = try DiskError.check(doing) {
            tarn_openat(self.target.staging, name, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        }
        defer { close(output) }
        do {
            try FileCopy.run(from: input, to: output, doing)
            try DiskError.check(doing) { fdatasync(output) }
            let result = try DiskError.check(doing, tolerating: [EEXIST]) {
                tarn_rename_noreplace(self.target.staging, name, self.target.blobs, path)
            }
            if result < 0 { unlinkat(self.target.staging, name, 0) }
            return true
        } catch {
            unlinkat(self.target.staging, name, 0)
            throw error
        }
    }

    private static func size(of path: String, in directory: Int32) throws -> Int? {
        var status = stat()
        let result = try DiskError.check("looking at blobs/\(path)", tolerating: [ENOENT]) {
            fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW)
        }
        return result == 0 ? Int(status.st_size) : nil
    }

    private static func remove(_ path: String, in directory: Int32) throws {
        try DiskError.check("removing blobs/\(path)", tolerating: [ENOENT]) { unlinkat(directory, path, 0) }
    }
}

/// The content of one open file into another that is empty.
package enum FileCopy {
    /// Copies all bytes; file systems that can share them do.
    ///
    /// - Throws: ``CacheError`` with code `unavailable` or `quotaExceeded`.
    package static func run(from input: Int32, to output: Int32, _ doing: String) throws {
        var offset = 0
        while true {
            let unsupported = [EXDEV, EINVAL, ENOSYS, EOPNOTSUPP]
            let count = try DiskError.check(doing, tolerating: unsupported) {
                tarn_copy_range(input, output, off_t(offset), 1 << 30)
            }
            if count == 0 { return }
            guard count > 0 else { return try self.readAndWrite(from: input, to: output, offset: offset, doing) }
            offset += count
        }
    }

    private static func readAndWrite(from input: Int32, to output: Int32, offset: Int, _ doing: String) throws {
        var offset = offset
        try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 16) { buffer in
            while true {
                let count = try DiskError.check(doing) {
                    pread(input, buffer.baseAddress, buffer.count, off_t(offset))
                }
                if count == 0 { return }
                var done = 0
                while done < count {
                    done += try DiskError.check(doing) {
                        pwrite(output, buffer.baseAddress?.advanced(by: done), count - done, off_t(offset + done))
                    }
                }
                offset += count
            }
        }
    }
}

internal import CLinux
internal import CacheModel
internal import Glibc
internal import StorageInterface

/// Damaged blobs that were taken out of the store: `quarantine/<hex>[.zst].<discovery>`.
///
/// They keep the disk's bad blocks occupied and show people what happened; nothing ever reads them to serve them. Of
/// blobs whose files were gone the empty file `missing.<discovery>` tells, so that a restart knows of the damage.
struct Quarantine {
    private struct File {
        var name: String
        var size: Int
        /// Milliseconds since 1970 UTC.
        var since: Int64
    }

    private let layout: DiskLayout

    init(_ layout: DiskLayout) { self.layout = layout }

    /// Whether nothing is here.
    var isEmpty: Bool { get throws { try self.files().isEmpty } }

    /// Moves a blob here, in whatever form it is there.
    func take(_ digest: Digest, found: Discovery) throws {
        var isTaken = false
        for encoding in BlobEncoding.allCases {
            let path = DiskLayout.path(of: digest, encoding)
            let name = "\(digest)" + (encoding == .zstd ? DiskLayout.frameSuffix : "") + ".\(found.rawValue)"
            let result = try DiskError.check("moving blob \(digest) to quarantine", tolerating: [ENOENT]) {
                renameat(self.layout.blobs, path, self.layout.quarantine, name)
            }
            guard result == 0 else { continue }
            isTaken = true
            self.stamp(name)
        }
        if !isTaken { self.noteMissing(found) }
    }

    /// Best effort: a full disk must not keep a blob without bytes in use.
    private func noteMissing(_ found: Discovery) {
        let name = "missing.\(found.rawValue)"
        let descriptor = tarn_openat(self.layout.quarantine, name, O_WRONLY | O_CREAT | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return }
        close(descriptor)
        self.stamp(name)
    }

    /// Says since when a file is here.
    ///
    /// Best effort: with the old time it only goes earlier.
    private func stamp(_ name: String) {
        let now = Timestamp.current.milliseconds
        _ = tarn_set_mtime_at(self.layout.quarantine, name, now / 1_000, now % 1_000 * 1_000_000, 0)
        _ = fchmodat(self.layout.quarantine, name, 0o600, 0)
    }

    /// Deletes files from before `limit`, then the oldest until at most `bytes` are left; returns the bytes left.
    func tidy(since limit: Timestamp, atMost bytes: Int) throws -> Int {
        let files = try self.files().sorted { $0.since < $1.since }
        var left = files.reduce(0) { $0 + $1.size }
        for file in files where file.since < limit.milliseconds || left > bytes {
            try DiskError.check("emptying quarantine", tolerating: [ENOENT]) {
                unlinkat(self.layout.quarantine, file.name, 0)
            }
            left -= file.size
        }
        return left
    }

    private func files() throws -> [File] {
        try DiskLayout.names(in: self.layout.quarantine, "quarantine").compactMap { name in
            var status = stat()
            guard fstatat(self.layout.quarantine, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
            let since = Int64(status.st_mtim.tv_sec) * 1_000 + Int64(status.st_mtim.tv_nsec) / 1_000_000
            return File(name: name, size: Int(status.st_size), since: since)
        }
    }
}

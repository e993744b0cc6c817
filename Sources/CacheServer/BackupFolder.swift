internal import CLinux
internal import CacheModel
internal import Glibc
internal import NativeAPI

/// What a finished backup says of itself, in `backup.json`.
struct BackupManifest: Codable, Hashable, Sendable {
    /// The format that this program writes.
    static let knownFormat = 1

    var format: Int
    /// The version of the program that made the backup.
    var version: String
    var createdAt: String
    /// Visible entries.
    var entries: Int
    var blobs: Int
    /// Stored bytes of the blobs.
    var bytes: Int
}

/// A folder with a backup, locked.
///
/// It has what a data folder has but `tarn.json`, so that no server takes it for one. Without `backup.json` the backup
/// is not finished.
final class BackupFolder: Sendable {
    let path: String
    private let lock: Int32

    var catalogPath: String { self.path + "/catalog.sqlite" }
    /// The database of the backup that is being made.
    var newCatalogPath: String { self.catalogPath + ".new" }
    private var manifestPath: String { self.path + "/backup.json" }

    /// Opens a folder with a backup, or makes an empty one ready for its first.
    ///
    /// - Parameters:
    ///   - path: The folder.
    ///   - isCreated: Whether to create it; otherwise it must be there.
    /// - Throws: ``CacheModel/CacheError``: `unavailable` if another process has it, `invalidRequest` if it is no backup.
    init(_ path: String, creating isCreated: Bool = true) throws {
        self.path = path
        let lockPath = path + "/backup.lock"
        if isCreated {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw DataFolder.failure("create folder '\(path)'")
            }
            if access(lockPath, F_OK) != 0 { try DataFolder.requireEmpty(path) }
        } else if access(path + "/backup.json", F_OK) != 0 {
            throw CacheError(
                .invalidRequest,
                "'\(path)' has no finished backup: there is no backup.json; name another folder, or make the backup again"
            )
        }
        let lock = tarn_openat(AT_FDCWD, lockPath, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw DataFolder.failure("open '\(lockPath)'") }
        guard tarn_try_lock(lock) == 0 else {
            close(lock)
            throw CacheError(.unavailable, "the backup in '\(path)' is in use by another process; wait for its end")
        }
        self.lock = lock
    }

    deinit { close(self.lock) }

    /// What the backup says of itself.
    func manifest() throws -> BackupManifest {
        let text = try AtomicFile.read(self.manifestPath, limit: 4_096)
        let manifest: BackupManifest
        do {
            manifest = try NativeJSON.decode(BackupManifest.self, from: Array(text.utf8))
        } catch {
            throw CacheError(.corrupt, "'\(self.manifestPath)' is damaged; make the backup again", cause: error)
        }
        guard manifest.format <= BackupManifest.knownFormat else {
            throw CacheError(
                .invalidRequest,
                "'\(self.path)' has a backup of format \(manifest.format), this tarnd knows "
                    + "\(BackupManifest.knownFormat); upgrade tarnd"
            )
        }
        return manifest
    }

    /// Puts the new database in the place of the old one, whose manifest goes.
    func publish() throws {
        guard unlink(self.manifestPath) == 0 || errno == ENOENT else {
            throw DataFolder.failure("remove '\(self.manifestPath)'")
        }
        try AtomicFile.syncFolder(self.path)
        guard rename(self.newCatalogPath, self.catalogPath) == 0 else {
            throw DataFolder.failure("rename '\(self.newCatalogPath)'")
        }
        try AtomicFile.syncFolder(self.path)
    }

    /// Says that the backup is complete.
    func finish(_ manifest: BackupManifest) throws {
        let text = String(decoding: try NativeJSON.encode(manifest), as: UTF8.self)
        try AtomicFile.write(text + "\n", to: self.manifestPath)
        try AtomicFile.syncFolder(self.path)
    }
}

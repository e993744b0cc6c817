internal import CLinux
internal import CacheModel
internal import Glibc
package import LayerFormat

/// The folder that a server keeps everything in: marked, locked, and one server's at a time.
///
/// The lock is the kernel's (`flock`): it ends with the process, however that ends.
package final class DataFolder: Sendable {
    /// The version of the folder's layout that this program writes.
    package static let format = 1

    /// The folder.
    package let path: String
    /// What the folder's entry records are sealed with.
    package let recordKey: RecordKey
    private let lock: Int32

    /// The database.
    package var catalogPath: String { self.path + "/catalog.sqlite" }
    /// The file with ``recordKey``.
    package static func recordKeyPath(in folder: String) -> String { folder + "/records.key" }
    /// Where uploaded tars are kept while they are read.
    package var spoolPath: String { Self.spoolPath(in: self.path) }
    private static func spoolPath(in folder: String) -> String { folder + "/spool" }

    /// Opens a folder, creating it if it is not there, and locks it.
    ///
    /// - Parameters:
    ///   - path: The folder.
    ///   - isCreated: Whether to create it; otherwise it must be there.
    /// - Throws: ``CacheModel/CacheError``: `unavailable` if another process has it, `invalidRequest` if it is not
    ///   Tarn's or of a newer version.
    package init(_ path: String, creating isCreated: Bool = true) throws {
        self.path = path
        let hasMarker = access(path + "/tarn.json", F_OK) == 0
        if isCreated {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw Self.failure("create folder '\(path)'") }
            if !hasMarker { try Self.requireEmpty(path) }
        } else if !hasMarker {
            throw CacheError(.invalidRequest, "'\(path)' is no data folder of tarnd: it has no tarn.json")
        }
        let lock = try Self.takeLock(path)
        do {
            if access(path + "/tarn.json", F_OK) == 0 {
                try Self.checkMarker(path)
            } else {
                try Self.mark(path)
            }
            self.recordKey = try Self.openRecordKey(Self.recordKeyPath(in: path), folder: path)
            let spool = Self.spoolPath(in: path)
            guard mkdir(spool, 0o700) == 0 || errno == EEXIST else { throw Self.failure("create folder '\(spool)'") }
            self.lock = lock
        } catch {
            close(lock)
            throw error
        }
    }

    deinit { close(self.lock) }

    /// The bytes of the database's files.
    package var databaseBytes: Int {
        ["", "-wal", "-shm"].reduce(0) { sum, suffix in
            var status = stat()
            return stat(self.catalogPath + suffix, &status) == 0 ? sum + Int(status.st_size) : sum
        }
    }

    /// The file that keeps some bytes of the disk for emergencies.
    package var ballastPath: String { self.path + "/ballast" }
    /// How far the background pass over all blobs has come.
    package var scrubPath: String { self.path + "/scrub.json" }

    /// The size of the file system; as large as can be if nobody knows.
    package var volumeBytes: Int { VolumeWatch.size(of: self.path) ?? .max }

    /// Writes, syncs and removes a file; blocks.
    package func requireWritable() throws {
        let probe = self.spoolPath + "/.ready"
        try AtomicFile.write("ready\n", to: probe)
        unlink(probe)
    }

    /// Reads the key, or makes one and has it on the disk before anything is sealed with it.
    private static func openRecordKey(_ path: String, folder: String) throws -> RecordKey {
        guard access(path, F_OK) != 0 else {
            let text = try AtomicFile.read(path, limit: 256)
            do {
                return try RecordKey(hex: text.prefix { $0 != "\n" })
            } catch {
                throw CacheError(.corrupt, "'\(path)' is damaged; copy it from a backup, or move it away", cause: error)
            }
        }
        let key = RecordKey()
        try AtomicFile.write(key.hex + "\n", to: path, mode: 0o600)
        try AtomicFile.syncFolder(folder)
        return key
    }

    /// Makes a folder a data folder.
    static func mark(_ path: String) throws {
        try AtomicFile.write("{\"format\": \(Self.format)}\n", to: path + "/tarn.json")
        try AtomicFile.syncFolder(path)
    }

    /// Refuses a folder that has anything at all, even a data folder's.
    static func requireNothing(_ path: String) throws {
        guard access(path + "/tarn.json", F_OK) != 0 else {
            throw CacheError(.invalidRequest, "'\(path)' is a data folder with content; name an empty folder")
        }
        try self.requireEmpty(path)
    }

    /// Refuses a folder that has anything of its own.
    static func requireEmpty(_ path: String) throws {
        for name in try self.names(in: path) where !["tarn.lock", "lost+found"].contains(name) {
            throw CacheError(
                .invalidRequest,
                "folder '\(path)' has '\(name)' and no tarn.json: it belongs to something else; name an empty folder"
            )
        }
    }

    /// The names in a folder; none if it is not there.
    static func names(in path: String) throws -> [String] {
        guard let directory = opendir(path) else {
            if errno == ENOENT { return [] }
            throw self.failure("read folder '\(path)'")
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func takeLock(_ path: String) throws -> Int32 {
        let file = path + "/tarn.lock"
        let descriptor = tarn_openat(AT_FDCWD, file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw self.failure("open '\(file)'") }
        guard tarn_try_lock(descriptor) == 0 else {
            let owner = (try? AtomicFile.read(file, limit: 32))?.split(separator: "\n").first ?? "unknown"
            close(descriptor)
            throw CacheError(
                .unavailable,
                "data folder '\(path)' is in use by the tarnd with process id \(owner); stop it, or name another folder"
            )
        }
        let text = Array("\(getpid())\n".utf8)
        // In this order it needs no new block, so a server starts on a full disk, too.
        guard pwrite(descriptor, text, text.count, 0) == text.count, ftruncate(descriptor, off_t(text.count)) == 0
        else {
            close(descriptor)
            throw self.failure("write '\(file)'")
        }
        return descriptor
    }

    /// Refuses folders of newer versions.
    static func checkMarker(_ path: String) throws {
        let text = try AtomicFile.read(path + "/tarn.json", limit: 4_096)
        let digits = text.split(separator: ":").dropFirst().first?.filter(\.isNumber) ?? ""
        guard text.contains("\"format\""), let format = Int(digits) else {
            throw CacheError(.corrupt, "'\(path)/tarn.json' is damaged; it should say {\"format\": \(Self.format)}")
        }
        guard format <= Self.format else {
            throw CacheError(
                .invalidRequest,
                "data folder '\(path)' has format \(format) and this tarnd knows formats up to \(Self.format); "
                    + "upgrade tarnd"
            )
        }
    }

    static func failure(_ doing: String) -> CacheError {
        let reason = String(cString: strerror(errno))
        return CacheError(.unavailable, "cannot \(doing): \(reason)")
    }
}

/// Small files that are there completely or not at all.
enum AtomicFile {
    /// Writes a file under its name only once it is complete and synced.
    static func write(_ text: String, to path: String, mode: mode_t = 0o644) throws {
        let temporary = "\(path).\(getpid()).tmp"
        let descriptor = tarn_openat(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw DataFolder.failure("write '\(path)'") }
        let bytes = Array(text.utf8)
        let isWritten = Glibc.write(descriptor, bytes, bytes.count) == bytes.count && fsync(descriptor) == 0
        close(descriptor)
        guard isWritten, rename(temporary, path) == 0 else {
            let failure = DataFolder.failure("write '\(path)'")
            unlink(temporary)
            throw failure
        }
    }

    /// Makes the names in a folder durable.
    static func syncFolder(_ path: String) throws {
        let descriptor = tarn_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0)
        guard descriptor >= 0 else { throw DataFolder.failure("open folder '\(path)'") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw DataFolder.failure("sync folder '\(path)'") }
    }

    /// Reads a file of at most `limit` bytes.
    static func read(_ path: String, limit: Int) throws -> String {
        let descriptor = tarn_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw DataFolder.failure("read '\(path)'") }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        var count = 0
        while count < bytes.count {
            let read = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress?.advanced(by: count), $0.count - count)
            }
            guard read >= 0 else { throw DataFolder.failure("read '\(path)'") }
            if read == 0 { break }
            count += read
        }
        guard count <= limit else { throw CacheError(.invalidRequest, "'\(path)' is larger than \(limit) bytes") }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}

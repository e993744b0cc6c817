internal import CLinux
internal import CacheModel
internal import Glibc
internal import StorageInterface
internal import Synchronization

/// The folders of a store and the names in them: `blobs/ab/cd/<hex>`, `<hex>.zst`, `tmp/`, `quarantine/`.
final class DiskLayout: Sendable {
    /// The suffix of a zstd frame's name.
    static let frameSuffix = ".zst"

    let blobs: Int32
    let staging: Int32
    let quarantine: Int32
    private let stagedCount = Atomic<UInt64>(0)
    /// How many syncs have come back.
    let finishedSyncs = Atomic(0)
    /// The `ab/cd` directories whose names are known to be on the disk.
    private let durable = Mutex<Set<UInt16>>([])
    /// The `ab` directories whose names are known to be on the disk.
    private let durableParents = Mutex<Set<UInt16>>([])

    /// Opens the folders, creating those that are not there, and empties `tmp`.
    init(directory: String) throws {
        try Self.makeDirectories(directory)
        let root = try Self.openDirectory(AT_FDCWD, directory)
        defer { close(root) }
        for name in ["blobs", "tmp", "quarantine"] {
            try DiskError.check("creating \(directory)/\(name)", tolerating: [EEXIST]) { mkdirat(root, name, 0o700) }
        }
        try DiskError.check("syncing \(directory)") { fsync(root) }
        var folders: [Int32] = []
        do {
            for name in ["blobs", "tmp", "quarantine"] { folders.append(try Self.openDirectory(root, name)) }
        } catch {
            for folder in folders { close(folder) }
            throw error
        }
        (self.blobs, self.staging, self.quarantine) = (folders[0], folders[1], folders[2])
        for name in try Self.names(in: self.staging, "tmp") {
            try DiskError.check("emptying \(directory)/tmp", tolerating: [ENOENT]) { unlinkat(self.staging, name, 0) }
        }
    }

    deinit {
        close(self.blobs)
        close(self.staging)
        close(self.quarantine)
    }

    /// A name in `tmp` that nothing has used since the start.
    func stagingName() -> String {
        "\(self.stagedCount.add(1, ordering: .relaxed).newValue)"
    }

    /// The path of a blob below `blobs`.
    static func path(of digest: Digest, _ encoding: BlobEncoding) -> String {
        let hex = "\(digest)"
        return "\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex)" + (encoding == .zstd ? self.frameSuffix : "")
    }

    /// The two bytes that choose a blob's directory.
    static func directory(of digest: Digest) -> UInt16 {
        digest.bytes.prefix(2).reduce(0) { $0 << 8 | UInt16($1) }
    }

    /// The path of a directory below `blobs`.
    static func path(of directory: UInt16) -> String {
        "\(self.hex(UInt8(directory >> 8)))/\(self.hex(UInt8(truncatingIfNeeded: directory)))"
    }

    /// Two lowercase hexadecimal digits.
    static func hex(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    /// Creates directories that are not there.
    func create(_ directories: Set<UInt16>) throws {
        let known = self.durable.withLock { $0 }
        for directory in directories where !known.contains(directory) {
            let path = Self.path(of: directory)
            try DiskError.check("creating blobs/\(path)", tolerating: [EEXIST]) {
                mkdirat(self.blobs, String(path.prefix(2)), 0o700)
            }
            try DiskError.check("creating blobs/\(path)", tolerating: [EEXIST]) { mkdirat(self.blobs, path, 0o700) }
        }
    }

    /// Makes the names in `directories` durable, and those of the directories themselves the first time.
    func sync(_ directories: Set<UInt16>) throws {
        let fresh = self.durable.withLock { directories.subtracting($0) }
        for directory in directories {
            try self.sync(Self.path(of: directory))
        }
        guard !fresh.isEmpty else { return }
        let parents = Set(fresh.map { $0 >> 8 })
        for parent in parents {
            try self.sync(Self.hex(UInt8(parent)))
        }
        if !self.durableParents.withLock({ parents.isSubset(of: $0) }) {
            try self.sync(".")
            self.durableParents.withLock { $0.formUnion(parents) }
        }
        self.durable.withLock { $0.formUnion(fresh) }
    }

    private func sync(_ path: String) throws {
        let directory = try Self.openDirectory(self.blobs, path)
        defer { close(directory) }
        try DiskError.check("syncing blobs/\(path)") { fsync(directory) }
        self.finishedSyncs.add(1, ordering: .relaxed)
    }

    /// The names in a directory that is there, in no order.
    static func names(in directory: Int32, _ path: String) throws -> [String] {
        // A descriptor of its own: reading a directory moves the offset, which duplicates would share.
        let own = try self.openDirectory(directory, ".")
        guard let stream = fdopendir(own) else {
            let number = errno
            close(own)
            throw DiskError.make(number, "listing \(path)")
        }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw DiskError.make(errno, "listing \(path)") }
        return names
    }

    static func openDirectory(_ parent: Int32, _ path: String) throws -> Int32 {
        try DiskError.check("opening directory \(path)") { tarn_openat(parent, path, O_RDONLY | O_DIRECTORY, 0) }
    }

    private static func makeDirectories(_ path: String) throws {
        var end = path.startIndex
        while end < path.endIndex {
            end = path[end...].dropFirst().firstIndex(of: "/") ?? path.endIndex
            try DiskError.check("creating \(path)", tolerating: [EEXIST]) { mkdir(String(path[..<end]), 0o700) }
        }
    }
}

internal import CLinux
internal import CacheModel
internal import Glibc
internal import LayerFormat

/// What one thread found out about one name.
struct ScannedEntry {
    /// Where the path stands in the worker's arena; the target of a symlink follows it.
    var pathStart: Int
    var pathCount: Int
    var targetCount = 0
    var kind: MemberKind
    var mode: UInt16
    var size = 0
    var modified: Int64
    var changed: Int64 = 0
    var device: UInt64 = 0
    var inode: UInt64 = 0
    /// Whether the file has other names.
    var isShared = false
    var isFromCache = false
    var stamp: UInt32?
    var digest: Digest?
}

/// Bytes that are only ever added to.
struct ByteArena: ~Copyable {
    private(set) var start: UnsafeMutablePointer<UInt8>
    private(set) var count = 0
    private var capacity = 65_536

    init() { self.start = .allocate(capacity: self.capacity) }

    deinit { self.start.deallocate() }

    mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        if self.count + bytes.count > self.capacity {
            self.capacity = max(self.capacity * 2, self.count + bytes.count)
            let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: self.capacity)
            grown.update(from: self.start, count: self.count)
            self.start.deallocate()
            self.start = grown
        }
        if let source = bytes.baseAddress { (self.start + self.count).update(from: source, count: bytes.count) }
        self.count += bytes.count
    }

    subscript(range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: self.start + range.lowerBound, count: range.count)
    }
}

/// Reads directories and files for one thread; everything it needs is allocated once.
final class ScanWorker {
    private(set) var entries: [ScannedEntry] = []
    private(set) var arena = ByteArena()
    /// The maps of files with holes, by position in ``entries``.
    private(set) var sparseFiles: [Int: [Range<Int>]] = [:]
    private(set) var warnings: [String] = []
    private let root: LayerRoot
    private let options: TreeScanner.Options
    private let statCache: StatCache?
    private var hasher = FileHasher()
    private var path = PathBuffer()
    private var found: [[UInt8]] = []
    private let names = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)

    init(root: LayerRoot, options: TreeScanner.Options, statCache: StatCache?) {
        self.root = root
        self.options = options
        self.statCache = statCache
    }

    deinit { self.names.deallocate() }

    /// The path of an entry.
    func path(of entry: borrowing ScannedEntry) -> UnsafeBufferPointer<UInt8> {
        self.arena[entry.pathStart..<entry.pathStart + entry.pathCount]
    }

    /// The target of an entry that is a symlink.
    func target(of entry: borrowing ScannedEntry) -> UnsafeBufferPointer<UInt8> {
        let start = entry.pathStart + entry.pathCount
        return self.arena[start..<start + entry.targetCount]
    }

    /// Takes in the layer's own root; what it contains, if anything, is returned as directories to read.
    func visitRoot() throws(TreeError) -> [[UInt8]] {
        guard !self.root.isAnchor else { return [[]] }
        let parent = Array(self.root.path[..<max(0, self.root.strip - 1)])
        var failure: TreeError?
        LayerRoot.withName(self.root.name[...]) { name in
            do throws(TreeError) {
                try self.visit(name, type: UInt8(DT_UNKNOWN), in: self.root.base, parent: parent, isRoot: true)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return self.takeFound()
    }

    /// Reads one directory.
    ///
    /// - Parameter directory: Its path below the anchor.
    /// - Returns: The directories in it.
    /// - Throws: ``TreeError``.
    func read(_ directory: [UInt8]) throws(TreeError) -> [[UInt8]] {
        self.path.set(Array(directory.dropFirst(self.root.strip)))
        let file = Descriptor(openBeneath(self.root.base, self.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
        var status = stat()
        guard file.number >= 0, fstat(file.number, &status) == 0 else {
            throw TreeError(errno: errno, "read directory", directory)
        }
        if !directory.isEmpty { self.appendDirectory(directory, status) }
        while true {
            let size = tarn_getdents64(file.number, self.names.baseAddress, self.names.count)
            guard size >= 0 else { throw TreeError(errno: errno, "read directory", directory) }
            guard size > 0 else { return self.takeFound() }
            var offset = 0
            while offset < size {
                // struct linux_dirent64: inode, offset, record length at 16, type at 18, name at 19.
                let length = Int(self.names.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
                let type = self.names[offset + 18]
                if let name = self.names.baseAddress?.advanced(by: offset + 19).assumingMemoryBound(to: CChar.self),
                    !Self.isIgnored(name)
                {
                    try self.visit(name, type: type, in: file.number, parent: directory, isRoot: false)
                }
                offset += length
            }
        }
    }

    private func takeFound() -> [[UInt8]] {
        let found = self.found
        self.found = []
        return found
    }

    /// `.`, `..`, and what an interrupted restore left behind.
    private static func isIgnored(_ name: UnsafePointer<CChar>) -> Bool {
        guard name[0] == CChar(UInt8(ascii: ".")) else { return false }
        if name[1] == 0 || (name[1] == CChar(UInt8(ascii: ".")) && name[2] == 0) { return true }
        let count = strlen(name)
        return name.withMemoryRebound(to: UInt8.self, capacity: count) {
            StagingName.isStaging(UnsafeBufferPointer(start: $0, count: count))
        }
    }

    private func visit(
        _ name: UnsafePointer<CChar>,
        type: UInt8,
        in directory: Int32,
        parent: [UInt8],
        isRoot: Bool
    ) throws(TreeError) {
        let start = self.appendPath(parent, name)
        let count = self.arena.count - start
        guard count <= Member.maximumPathLength else {
            throw TreeError(
                .invalidLayer,
                "a path below '\(Member.display(parent.suffix(100) + []))' has \(count) bytes"
            )
        }
        if type == UInt8(DT_DIR), !isRoot {
            self.found.append(Array(self.arena[start..<start + count]))
            return
        }
        if type == UInt8(DT_REG), self.statCache == nil, self.options.hashesContent {
            return try self.visitFile(name, in: directory, path: start..<start + count, status: nil)
        }
        var status = stat()
        guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if isRoot, errno == ENOENT || errno == ENOTDIR { throw self.missing() }
            throw TreeError(errno: errno, "inspect", self.arena[start..<start + count])
        }
        switch status.kindBits {
        case S_IFDIR: self.found.append(Array(self.arena[start..<start + count]))
        case S_IFREG: try self.visitFile(name, in: directory, path: start..<start + count, status: status)
        case S_IFLNK: try self.visitLink(name, in: directory, path: start..<start + count, status, isRoot: isRoot)
        default: try self.visitSpecial(path: start..<start + count)
        }
    }

    private func appendPath(_ parent: [UInt8], _ name: UnsafePointer<CChar>) -> Int {
        let start = self.arena.count
        if !parent.isEmpty {
            parent.withUnsafeBufferPointer { self.arena.append($0) }
            var slash = UInt8(ascii: "/")
            withUnsafePointer(to: &slash) { self.arena.append(UnsafeBufferPointer(start: $0, count: 1)) }
        }
        let count = strlen(name)
        name.withMemoryRebound(to: UInt8.self, capacity: count) {
            self.arena.append(UnsafeBufferPointer(start: $0, count: count))
        }
        return start
    }

    private func appendDirectory(_ directory: [UInt8], _ status: stat) {
        let start = self.arena.count
        directory.withUnsafeBufferPointer { self.arena.append($0) }
        self.entries.append(
            ScannedEntry(
                pathStart: start,
                pathCount: directory.count,
                kind: .directory,
                mode: status.permissions,
                modified: status.modified
            )
        )
    }

    private func missing() -> TreeError {
        TreeError(.missing, "'\(Member.display(self.root.path))' does not exist below '\(self.root.anchor)'")
    }

    private func visitSpecial(path: Range<Int>) throws(TreeError) {
        let text = Member.display(Array(self.arena[path]))
        guard self.options.skipsSpecialFiles else {
            throw TreeError(
                .specialFile,
                "'\(text)' is a device, socket or pipe, which cannot be saved; remove it or skip special files"
            )
        }
        self.warnings.append("skipped '\(text)': it is a device, socket or pipe")
    }

    private func visitLink(
        _ name: UnsafePointer<CChar>,
        in directory: Int32,
        path: Range<Int>,
        _ status: stat,
        isRoot: Bool
    ) throws(TreeError) {
        let failure: Int32? = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4_097) { target in
            guard let start = target.baseAddress else { return ENOMEM }
            let count = readlinkat(directory, name, start, 4_096)
            guard count >= 0 else { return errno }
            target.withMemoryRebound(to: UInt8.self) { self.arena.append(UnsafeBufferPointer(rebasing: $0[..<count])) }
            return nil
        }
        if let failure { throw TreeError(errno: failure, "read symbolic link", self.arena[path]) }
        if isRoot { self.warnings.append("'\(Member.display(self.root.path))' is a symbolic link and saved as one") }
        self.entries.append(
            ScannedEntry(
                pathStart: path.lowerBound,
                pathCount: path.count,
                targetCount: self.arena.count - path.upperBound,
                kind: .symlink,
                mode: 0o777,
                modified: status.modified
            )
        )
    }

    private func visitFile(
        _ name: UnsafePointer<CChar>,
        in directory: Int32,
        path: Range<Int>,
        status known: stat?
    ) throws(TreeError) {
        if let known {
            let record = self.statCache?.record(pathHash: StatCache.hash(self.arena[path]), status: known)
            let isEnough = record != nil || !self.options.hashesContent
            if isEnough, !known.mayHaveHoles || !self.options.hashesContent {
                var entry = self.entry(path, known)
                entry.digest = record?.digest
                entry.stamp = record?.pycStamp
                entry.isFromCache = record != nil
                self.entries.append(entry)
                return
            }
        }
        let file = Descriptor(tarn_openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0))
        var status = stat()
        guard file.number >= 0, fstat(file.number, &status) == 0 else {
            throw TreeError(errno: errno, "read", self.arena[path])
        }
        guard status.kindBits == S_IFREG else { throw self.changed(path) }
        for _ in 0..<2 {
            let size = Int(status.st_size)
            let extents = status.mayHaveHoles ? FileHasher.extents(of: file.number, size: size) : nil
            let mayHaveStamp = PycHeader.mayHaveStamp(path: self.arena[path], size: size)
            switch self.hasher.hash(file.number, &status, mayHaveStamp: mayHaveStamp, extents: extents) {
            case .hashed(let digest, let stamp):
                var entry = self.entry(path, status)
                entry.digest = digest
                entry.stamp = stamp
                if let extents { self.sparseFiles[self.entries.count] = extents }
                self.entries.append(entry)
                return
            case .changed: continue
            case .failed(let number): throw TreeError(errno: number, "read", self.arena[path])
            }
        }
        throw self.changed(path)
    }

    private func changed(_ path: Range<Int>) -> TreeError {
        TreeError(.changed, "'\(Member.display(Array(self.arena[path])))' changed while it was being read; try again")
    }

    private func entry(_ path: Range<Int>, _ status: stat) -> ScannedEntry {
        ScannedEntry(
            pathStart: path.lowerBound,
            pathCount: path.count,
            kind: .file,
            mode: status.permissions,
            size: Int(status.st_size),
            modified: status.modified,
            changed: status.changed,
            device: UInt64(status.st_dev),
            inode: UInt64(status.st_ino),
            isShared: status.st_nlink > 1
        )
    }
}

public import CacheModel
internal import Glibc
internal import LayerKernels

/// What templates need of a file system.
public protocol TemplateFiles: Sendable {
    /// Reads a regular file from start to end.
    func contents(of path: String) throws(FileFailure) -> FileContents
    /// What a path leads to, symbolic links followed; `nil` if to nothing.
    func kind(of path: String) -> FileKind?
    /// The names in a folder without `.` and `..`, in any order; none if there is no such folder.
    func list(_ folder: String) throws(FileFailure) -> [FolderItem]
}

/// What a checksum needs to know about a file.
public struct FileContents: Hashable, Sendable {
    /// The SHA-256 of the file's bytes.
    public var digest: Digest
    /// The file's text, if it is UTF-8 of at most `Provenance.ChecksummedFile.maximumTextLength` bytes.
    public var text: String?

    /// Creates a description of a file's contents.
    public init(digest: Digest, text: String?) {
        self.digest = digest
        self.text = text
    }
}

/// What a path leads to.
public enum FileKind: Hashable, Sendable {
    /// A regular file.
    case file
    /// A folder.
    case folder
    /// A device, a pipe or a socket.
    case other
}

/// One name in a folder.
public struct FolderItem: Hashable, Sendable {
    /// The name without its folder.
    public var name: String
    /// Whether the name is a symbolic link.
    public var isLink: Bool

    /// Creates an item.
    public init(name: String, isLink: Bool) {
        self.name = name
        self.isLink = isLink
    }
}

/// Why a file cannot be read, as Go words it: `open /app/x: no such file or directory`.
public struct FileFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was tried: `open` or `read`.
    public var operation: String
    /// The file's absolute path.
    public var path: String
    /// Why it failed.
    public var reason: String

    /// Creates a failure.
    public init(_ operation: String, path: String, reason: String) {
        self.operation = operation
        self.path = path
        self.reason = reason
    }

    /// The operation, the path and the reason.
    public var description: String { "\(self.operation) \(self.path): \(self.reason)" }

    init(_ operation: String, path: String, error: CInt) {
        let text = String(cString: strerror(error))
        self.init(operation, path: path, reason: text.prefix(1).lowercased() + text.dropFirst())
    }
}

/// The files of this machine.
public struct LocalFiles: TemplateFiles {
    /// Creates an access to the files of this machine.
    public init() {}

    /// Reads a regular file in pieces of 64 KiB.
    public func contents(of path: String) throws(FileFailure) -> FileContents {
        // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw FileFailure("open", path: path, error: errno) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw FileFailure("read", path: path, error: errno) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw FileFailure("read", path: path, error: EISDIR)
        default: throw FileFailure("read", path: path, reason: "not a regular file")
        }
        return try Self.read(file, path: path)
    }

    private static func read(_ file: CInt, path: String) throws(FileFailure) -> FileContents {
        var hasher = SHA256()
        var text: [UInt8]? = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw FileFailure("read", path: path, error: errno) }
            guard count > 0 else { break }
            buffer.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            if (text?.count ?? 0) + count > Provenance.ChecksummedFile.maximumTextLength { text = nil }
            text?.append(contentsOf: buffer[..<count])
        }
        return FileContents(digest: hasher.finish(), text: text.flatMap { String(validating: $0, as: UTF8.self) })
    }

    /// What a path leads to, by `stat(2)`.
    public func kind(of path: String) -> FileKind? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .folder
        default: return .other
        }
    }

    /// The names in a folder; none if there is no such folder.
    public func list(_ folder: String) throws(FileFailure) -> [FolderItem] {
        guard let directory = opendir(folder) else {
            if errno == ENOENT || errno == ENOTDIR { return [] }
            throw FileFailure("open", path: folder, error: errno)
        }
        defer { closedir(directory) }
        var items: [FolderItem] = []
        errno = 0
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { items.append(Self.item(name, in: folder, type: CInt(entry.pointee.d_type))) }
            errno = 0
        }
        guard errno == 0 else { throw FileFailure("read", path: folder, error: errno) }
        return items
    }

    private static func item(_ name: String, in folder: String, type: CInt) -> FolderItem {
        guard type == CInt(DT_UNKNOWN) else { return FolderItem(name: name, isLink: type == CInt(DT_LNK)) }
        var status = stat()
        let isLink = lstat("\(folder)/\(name)", &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
        return FolderItem(name: name, isLink: isLink)
    }
}

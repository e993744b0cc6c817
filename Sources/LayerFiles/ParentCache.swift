internal import CLinux
internal import Glibc
internal import LayerFormat

/// Opens the directory that a path's last component stands in, and keeps it open for the next path.
///
/// Calls that take a name and follow links on the way to it (`mkdirat`, `linkat`, `symlinkat`) get a directory that was
/// opened without following any.
struct ParentCache: ~Copyable {
    private let base: Int32
    private var directory = Descriptor(-1)
    private var directoryPath: [UInt8]?
    private var path = PathBuffer()
    private var nameBuffer = PathBuffer()

    init(base: Int32) { self.base = base }

    /// The NUL-terminated name found by the last ``open(_:)``.
    var name: UnsafePointer<CChar> { UnsafePointer(self.nameBuffer.start) }

    /// Opens the parent of a path below the base.
    ///
    /// - Returns: A descriptor that stays valid until the next call, or -1 with the reason in `errno`.
    mutating func open(_ path: UnsafeBufferPointer<UInt8>) -> Int32 {
        guard let slash = path.lastSlash else {
            self.nameBuffer.set(path)
            return self.base
        }
        self.nameBuffer.set(path.dropping(slash + 1))
        let parent = UnsafeBufferPointer(rebasing: path[..<slash])
        if let known = self.directoryPath, known.elementsEqual(parent) { return self.directory.number }
        self.path.set(parent)
        self.directory = Descriptor(openBeneath(self.base, self.path, openPathOnly | O_DIRECTORY))
        self.directoryPath = self.directory.number < 0 ? nil : Array(parent)
        return self.directory.number
    }
}

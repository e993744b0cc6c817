internal import CLinux
internal import Glibc
internal import LayerFormat

/// The directory that a layer stands in, held open, and the layer's name in it.
///
/// Everything below is addressed relative to this descriptor; renaming a parent meanwhile redirects nothing. Parents of
/// the layer's path may be symbolic links as long as they stay below the anchor; the layer itself has none on the way.
final class LayerRoot: Sendable {
    /// The anchor, absolute, for messages.
    let anchor: String
    /// The layer's path below the anchor; empty for `.`.
    let path: [UInt8]
    /// The last component of the path; empty for `.`.
    let name: [UInt8]
    /// The number of bytes of a member's path before the name.
    let strip: Int
    private let descriptor: Descriptor

    /// The open directory.
    var base: Int32 { self.descriptor.number }
    /// Whether the members stand directly in the anchor.
    var isAnchor: Bool { self.path.isEmpty }

    /// Opens the directory.
    ///
    /// - Parameters:
    ///   - anchor: An absolute directory; it may be a symbolic link.
    ///   - path: The layer's path below it, or `.`.
    ///   - createsParents: Whether missing parents are created (mode 0755 less the umask).
    /// - Throws: ``TreeError``; its code is ``TreeError/Code/missing`` if a parent does not exist.
    init(anchor: String, path: String, createsParents: Bool) throws(TreeError) {
        let bytes = path == "." ? [] : Array(path.utf8)
        if !bytes.isEmpty {
            do throws(LayerFormatError) { try MemberList.validatePath(bytes) } catch {
                throw TreeError(.invalidLayer, error.description)
            }
        }
        let slash = bytes.lastIndex(of: UInt8(ascii: "/"))
        self.anchor = anchor
        self.path = bytes
        self.strip = slash.map { $0 + 1 } ?? 0
        self.name = Array(bytes[self.strip...])
        let top = open(anchor, O_DIRECTORY | O_CLOEXEC | openPathOnly)
        guard top >= 0 else {
            if errno == ENOENT { throw TreeError(.missing, "directory '\(anchor)' does not exist") }
            throw TreeError(errno: errno, "open directory", anchor.utf8)
        }
        guard let slash else {
            self.descriptor = Descriptor(top)
            return
        }
        let anchorDescriptor = Descriptor(top)
        self.descriptor = try Self.openParents(
            anchorDescriptor.number,
            isTop: anchor == "/",
            Array(bytes[..<slash]),
            createsParents: createsParents
        )
    }

    private static func openParents(
        _ anchor: Int32,
        isTop: Bool,
        _ path: [UInt8],
        createsParents: Bool
    ) throws(TreeError) -> Descriptor {
        var current = Descriptor(self.openParent(anchor, isTop: isTop, path))
        if current.number >= 0 { return current }
        guard errno == ENOENT, createsParents else {
            if errno == ENOENT || errno == ENOTDIR {
                throw TreeError(.missing, "directory '\(Member.display(path))' does not exist")
            }
            throw self.parentError(errno, path)
        }
        current = Descriptor(dup(anchor))
        var end = 0
        while end < path.count {
            let start = end == 0 ? 0 : end + 1
            end = path[start...].firstIndex(of: UInt8(ascii: "/")) ?? path.count
            var next = self.openParent(anchor, isTop: isTop, Array(path[..<end]))
            if next < 0, errno == ENOENT {
                let made = Self.withName(path[start..<end]) { mkdirat(current.number, $0, 0o755) }
                guard made == 0 || errno == EEXIST else {
                    throw TreeError(errno: errno, "create directory", path[..<end])
                }
                next = self.openParent(anchor, isTop: isTop, Array(path[..<end]))
            }
            guard next >= 0 else { throw self.parentError(errno, Array(path[..<end])) }
            current = Descriptor(next)
        }
        return current
    }

    private static func parentError(_ number: Int32, _ path: [UInt8]) -> TreeError {
        let remedy = number == EXDEV ? "a symbolic link on the way leaves the anchor directory" : ""
        return TreeError(errno: number, "open directory", path, remedy: remedy)
    }

    private static func openParent(_ anchor: Int32, isTop: Bool, _ path: [UInt8]) -> Int32 {
        self.withName(path[...]) { path in
            let flags = O_DIRECTORY | openPathOnly
            return isTop ? tarn_openat(anchor, path, flags, 0) : tarn_open_within(anchor, path, flags, 0)
        }
    }

    /// Calls `body` with a NUL-terminated name.
    static func withName<Result>(_ name: ArraySlice<UInt8>, _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: name.count + 1) { buffer in
            for (position, byte) in name.enumerated() { buffer[position] = CChar(bitPattern: byte) }
            buffer[name.count] = 0
            guard let start = buffer.baseAddress else { preconditionFailure("The buffer has at least one byte.") }
            return body(UnsafePointer(start))
        }
    }
}

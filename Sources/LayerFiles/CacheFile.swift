internal import CLinux
internal import CacheModel
internal import Glibc
internal import LayerKernels

/// A file in which a client remembers something about one tree, ending with the SHA-256 of all bytes before.
///
/// It only saves time: what is missing or damaged is as good as never written.
struct CacheFile {
    private let name: String

    /// - Parameters:
    ///   - directory: Where such files are kept.
    ///   - anchor: The anchor of the tree.
    ///   - path: The tree's path below it.
    ///   - kind: What is remembered; the file's extension.
    init(in directory: String, anchor: String, path: String, kind: String) {
        self.name = "\(directory)/\(Self.treeDigest(anchor, path)).\(kind)"
    }

    /// Names a tree.
    static func treeDigest(_ anchor: String, _ path: String) -> Digest {
        SHA256.digest(of: Array(anchor.utf8) + [0] + Array(path.utf8))
    }

    /// The bytes that were written, if they are still the same.
    func read() -> [UInt8]? {
        let file = Descriptor(open(self.name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW))
        var status = stat()
        guard file.number >= 0, fstat(file.number, &status) == 0 else { return nil }
        let size = Int(status.st_size)
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { bytes, count in
            let room = UnsafeMutableRawBufferPointer(bytes)[..<size]
            count = max(0, readFully(file.number, UnsafeMutableRawBufferPointer(rebasing: room), at: 0))
        }
        guard bytes.count == size, size >= Digest.byteCount else { return nil }
        let end = size - Digest.byteCount
        let isWhole = bytes.withUnsafeBytes { bytes in
            SHA256.digest(of: UnsafeRawBufferPointer(rebasing: bytes[..<end]))
                == Digest(loading: UnsafeRawBufferPointer(rebasing: bytes[end...]))
        }
        return isWhole ? Array(bytes[..<end]) : nil
    }

    /// Replaces the file atomically.
    ///
    /// - Throws: ``TreeError`` if it cannot be written; the earlier file is still there then.
    func write(_ content: [UInt8]) throws(TreeError) {
        let temporary = self.name + ".\(getpid()).\(UInt32.random(in: 0 ... .max))"
        let file = Descriptor(open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600))
        guard file.number >= 0 else { throw TreeError(errno: errno, "create", temporary.utf8) }
        var digest: [UInt8] = []
        SHA256.digest(of: content).append(to: &digest)
        let isWritten =
            content.withUnsafeBytes { writeFully(file.number, $0, at: 0) }
            && digest.withUnsafeBytes { writeFully(file.number, $0, at: content.count) }
        guard isWritten, rename(temporary, self.name) == 0 else {
            let error = TreeError(errno: errno, "write", self.name.utf8)
            unlink(temporary)
            throw error
        }
    }
}

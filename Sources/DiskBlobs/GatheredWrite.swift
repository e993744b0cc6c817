internal import CacheModel
internal import Glibc
internal import NIOCore

/// Writes pieces of memory to a file with as few calls as possible.
enum GatheredWrite {
    /// How many pieces one call takes.
    private static let limit = 512

    /// Writes all pieces from the file's current position on.
    ///
    /// - Throws: ``CacheModel/CacheError`` that names `action`.
    static func write(_ pieces: [ByteBuffer], to file: Int32, _ action: @autoclosure () -> String) throws {
        var rest = pieces[...]
        while !rest.isEmpty {
            try self.writeOnce(rest.prefix(self.limit), to: file, action())
            rest = rest.dropFirst(self.limit)
        }
    }

    private static func writeOnce(
        _ pieces: ArraySlice<ByteBuffer>,
        to file: Int32,
        _ action: @autoclosure () -> String
    ) throws {
        var owners: [Unmanaged<AnyObject>] = []
        defer { for owner in owners { owner.release() } }
        var vectors: [iovec] = []
        for piece in pieces where piece.readableBytes > 0 {
            piece.withUnsafeReadableBytesWithStorageManagement { bytes, owner in
                owners.append(owner.retain())
                vectors.append(
                    iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
                )
            }
        }
        var first = 0
        while first < vectors.count {
            let count = try DiskError.check(action()) {
                vectors[first...].withUnsafeBufferPointer { writev(file, $0.baseAddress, Int32($0.count)) }
            }
            var written = Int(count)
            while first < vectors.count, written >= vectors[first].iov_len {
                written -= vectors[first].iov_len
                first += 1
            }
            guard written > 0 else { continue }
            vectors[first].iov_base += written
            vectors[first].iov_len -= written
        }
    }
}

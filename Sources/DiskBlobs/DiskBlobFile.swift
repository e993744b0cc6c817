internal import CLinux
internal import CacheModel
internal import Glibc
internal import NIOCore
internal import StorageInterface

/// An open blob; the descriptor is closed with the last reference.
final class DiskBlobFile: BlobFile {
    let descriptor: Int32
    let size: Int
    private let digest: Digest

    /// Takes over an open descriptor.
    init(_ digest: Digest, descriptor: Int32, size: Int) {
        self.digest = digest
        self.descriptor = descriptor
        self.size = size
    }

    deinit { close(self.descriptor) }

    func read(_ range: Range<Int>) throws -> ByteBuffer {
        guard range.lowerBound >= 0, range.upperBound <= self.size else {
            throw CacheError(.invalidRequest, "range \(range) of a blob that is stored in \(self.size) bytes")
        }
        var buffer = ByteBufferAllocator().buffer(capacity: range.count)
        while buffer.readableBytes < range.count {
            let offset = range.lowerBound + buffer.readableBytes
            var failure: Int32 = 0
            let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: range.upperBound - offset) { room in
                let count = pread(self.descriptor, room.baseAddress, range.upperBound - offset, off_t(offset))
                failure = count < 0 ? errno : 0
                return max(0, count)
            }
            guard failure == 0 else {
                if failure == EINTR { continue }
                throw DiskError.reading(self.digest, failure)
            }
            guard count > 0 else {
                throw CacheError(.corrupt, "a blob ended after \(offset) of \(self.size) bytes; run cachectl fsck")
            }
        }
        return buffer
    }

    func readCached(_ range: Range<Int>, into buffer: inout ByteBuffer) throws -> Int {
        guard range.lowerBound >= 0, range.upperBound <= self.size else {
            throw CacheError(.invalidRequest, "range \(range) of a blob that is stored in \(self.size) bytes")
        }
        // Whatever goes wrong goes wrong again in `read`, which says what it is.
        return buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: range.count) { room in
            max(0, tarn_pread_nowait(self.descriptor, room.baseAddress, range.count, off_t(range.lowerBound)))
        }
    }
}

internal import CacheModel
internal import LayerKernels
internal import NIOCore
internal import NativeAPI

/// Turns raw bytes into blob records, with a context that is used again and again.
///
/// Sound to share: whoever takes an encoder out of a ``ReusePool`` is the only one that has it until it is given back.
final class BlobEncoder: @unchecked Sendable {
    private var codec: FrameCodec

    init(level: Int) { self.codec = FrameCodec(level: level) }

    /// Appends a record of one zstd frame.
    ///
    /// - Returns: The stored size.
    @discardableResult
    func append(_ bytes: UnsafeRawBufferPointer, digest: Digest, to buffer: inout ByteBuffer) throws -> Int {
        let start = buffer.writerIndex
        buffer.writeRepeatingByte(0, count: BlobRecordCoding.headerSize)
        let bound = FrameCodec.maximumFrameSize(for: bytes.count)
        buffer.reserveCapacity(minimumWritableBytes: bound)
        var storedSize = 0
        var failure: FrameError?
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { room in
            do throws(FrameError) {
                storedSize = try self.codec.compress(bytes, into: room)
            } catch {
                failure = error
            }
            return storedSize
        }
        if let failure { throw failure }
        let header = BlobRecordCoding.Header(digest: digest, encoding: 1, size: bytes.count, storedSize: storedSize)
        buffer.setBytes(header.bytes, at: start)
        return storedSize
    }
}

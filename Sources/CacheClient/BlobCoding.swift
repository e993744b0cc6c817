internal import CacheModel
internal import LayerKernels
internal import NIOCore
internal import NativeAPI

/// Turns raw bytes into blob records.
enum BlobCoding {
    /// Appends a record of one zstd frame.
    ///
    /// - Returns: The stored size.
    @discardableResult
    static func append(
        _ bytes: UnsafeRawBufferPointer,
        digest: Digest,
        with codec: inout FrameCodec,
        to buffer: inout ByteBuffer
    ) throws -> Int {
        let start = buffer.writerIndex
        buffer.writeRepeatingByte(0, count: BlobRecordCoding.headerSize)
        let bound = FrameCodec.maximumFrameSize(for: bytes.count)
        buffer.reserveCapacity(minimumWritableBytes: bound)
        var storedSize = 0
        var failure: FrameError?
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { room in
            do throws(FrameError) {
                storedSize = try codec.compress(bytes, into: room)
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

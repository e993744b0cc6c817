internal import CacheModel
internal import LayerKernels
internal import NIOCore
internal import NativeAPI

/// Turns raw bytes into blob records and back.
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

    /// The raw bytes of a record, checked against their digest.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `corrupt`.
    static func decode(_ header: BlobRecordCoding.Header, _ stored: ByteBuffer, limit: Int) throws -> [UInt8] {
        guard header.size <= limit else {
            throw CacheError(.corrupt, "blob \(header.digest) claims \(header.size) bytes, at most \(limit) expected")
        }
        let bytes: [UInt8]
        if header.encoding == 0 {
            bytes = Array(stored.readableBytesView)
        } else {
            var codec = FrameCodec()
            var result: Result<[UInt8], FrameError> = .success([])
            stored.withUnsafeReadableBytes { frame in
                result = Result { () throws(FrameError) in try codec.decompress(frame, size: header.size) }
            }
            do {
                bytes = try result.get()
            } catch {
                throw CacheError(.corrupt, "blob \(header.digest) arrived damaged", cause: error)
            }
        }
        guard SHA256.digest(of: bytes) == header.digest else {
            throw CacheError(.corrupt, "blob \(header.digest) arrived with other bytes than its name says")
        }
        return bytes
    }
}

internal import CacheModel
internal import LayerKernels
internal import NIOCore
internal import NativeAPI

/// Turns blob records back into raw bytes and checks them, with contexts and memory that are used again and again.
///
/// Sound to share: whoever takes a decoder out of a ``ReusePool`` is the only one that has it until it is given back.
final class BlobDecoder: @unchecked Sendable {
    private var codec = FrameCodec()
    private var hasher = SHA256()
    private var memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1_048_576, alignment: 4_096)

    deinit { self.memory.deallocate() }

    /// Calls `body` with the raw bytes of a record, which are what its digest says.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `corrupt`, and what `body` throws.
    func decode<Result>(
        _ header: BlobRecordCoding.Header,
        _ stored: ByteBuffer,
        limit: Int,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        guard header.size <= limit else {
            throw CacheError(.corrupt, "blob \(header.digest) claims \(header.size) bytes, at most \(limit) expected")
        }
        return try stored.withUnsafeReadableBytes { stored in
            let bytes = header.encoding == 0 ? stored : try self.decompress(stored, header)
            self.hasher.update(bytes)
            guard self.hasher.finish() == header.digest else {
                throw CacheError(.corrupt, "blob \(header.digest) arrived with other bytes than its name says")
            }
            return try body(bytes)
        }
    }

    private func decompress(
        _ frame: UnsafeRawBufferPointer,
        _ header: BlobRecordCoding.Header
    ) throws(CacheError) -> UnsafeRawBufferPointer {
        if self.memory.count < header.size {
            self.memory.deallocate()
            self.memory = .allocate(byteCount: header.size, alignment: 4_096)
        }
        let bytes = UnsafeMutableRawBufferPointer(rebasing: self.memory[..<header.size])
        do throws(FrameError) {
            try self.codec.decompress(frame, into: bytes)
        } catch {
            throw CacheError(.corrupt, "blob \(header.digest) arrived damaged", cause: error)
        }
        return UnsafeRawBufferPointer(bytes)
    }
}

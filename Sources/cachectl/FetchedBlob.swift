internal import CacheModel
internal import LayerFormat
internal import LayerKernels
internal import NativeAPI

/// A small blob that was fetched into memory.
enum FetchedBlob {
    /// The raw bytes of a record, checked against their digest.
    ///
    /// - Throws: `CacheError` with code `corrupt`.
    static func decode(_ header: BlobRecordCoding.Header, _ stored: [UInt8]) throws -> [UInt8] {
        var bytes = stored
        if header.encoding == 1 {
            var codec = FrameCodec()
            bytes = try stored.withUnsafeBytes { try codec.decompress($0, size: header.size) }
        }
        guard SHA256.digest(of: bytes) == header.digest else {
            throw CacheError(.corrupt, "blob \(header.digest) arrived with other bytes than its name says")
        }
        return bytes
    }
}

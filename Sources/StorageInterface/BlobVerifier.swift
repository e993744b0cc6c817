internal import CacheModel
internal import LayerKernels
internal import NIOCore

/// Compares blobs with their digests, one after the other, with one set of contexts and one buffer.
package struct BlobVerifier: ~Copyable {
    /// The most raw bytes that a blob may have: 64 MiB.
    package static let maximumSize = 64 * 1_048_576

    private var hasher = SHA256()
    private var codec = FrameCodec()
    /// Where frames are decoded to; as large as the largest blob so far.
    private var room = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// Creates a verifier.
    package init() {}

    deinit { self.room.deallocate() }

    /// Marks a blob as verified.
    ///
    /// - Throws: ``CacheError`` with code `digestMismatch` if its bytes are not what they are announced as, and
    ///   `invalidRequest` if it is too large.
    package mutating func verify(_ blob: inout NewBlob) throws {
        guard !blob.isVerified else { return }
        guard (0...Self.maximumSize).contains(blob.size) else {
            throw CacheError(
                .invalidRequest,
                "blob \(blob.digest) is announced with \(blob.size) bytes; a blob has at most \(Self.maximumSize)"
            )
        }
        switch blob.encoding {
        case .raw:
            try Self.requireSize(blob.storedSize, of: blob)
            for piece in blob.pieces { piece.withUnsafeReadableBytes { self.hasher.update($0) } }
        case .zstd:
            try blob.content.withUnsafeReadableBytes { frame in
                try Self.requireSize(FrameCodec.contentSize(of: frame), of: blob)
                try self.hashFrame(frame, of: blob)
            }
        }
        let actual = self.hasher.finish()
        guard actual == blob.digest else {
            throw CacheError(
                .digestMismatch,
                "blob \(blob.digest) was sent with bytes whose digest is \(actual); send it again"
            )
        }
        blob.isVerified = true
    }

    private mutating func hashFrame(_ frame: UnsafeRawBufferPointer, of blob: NewBlob) throws {
        if self.room.count < blob.size {
            self.room.deallocate()
            self.room = .allocate(byteCount: blob.size, alignment: 16)
        }
        let bytes = UnsafeMutableRawBufferPointer(rebasing: self.room[..<blob.size])
        do throws(FrameError) {
            try self.codec.decompress(frame, into: bytes)
        } catch {
            throw CacheError(.digestMismatch, "blob \(blob.digest) cannot be decompressed; send it again", cause: error)
        }
        self.hasher.update(UnsafeRawBufferPointer(bytes))
    }

    private static func requireSize(_ size: Int?, of blob: NewBlob) throws {
        guard size == blob.size else {
            let actual = size.map { "\($0) bytes" } ?? "no content size in its frame"
            throw CacheError(
                .digestMismatch,
                "blob \(blob.digest) has \(actual), but was announced with \(blob.size) bytes; send it again"
            )
        }
    }
}

package import CacheModel
internal import LayerKernels
internal import NIOCore

/// Compares what is put with its digest and size before it reaches the store below.
///
/// Frames are decompressed in memory, one after the other, so a call needs as
/// much memory as its largest blob has raw bytes: ``maximumSize`` at most.
package struct VerifyingBlobStore<Base: BlobStore>: BlobStore {
    /// Runs work that keeps a processor busy, wherever the caller wants it to run.
    package typealias Offload = @Sendable (_ work: @escaping @Sendable () throws -> Void) async throws -> Void

    /// The most raw bytes that a blob may have: 64 MiB.
    package static var maximumSize: Int { 64 * 1_048_576 }

    private let base: Base
    private let offload: Offload

    /// Creates a verifying store on top of `base`.
    ///
    /// - Parameters:
    ///   - base: The store that keeps the bytes.
    ///   - offload: Where to hash and decompress, such as a thread pool; on the calling task unless told otherwise.
    package init(_ base: Base, offload: @escaping Offload = { work in try work() }) {
        self.base = base
        self.offload = offload
    }

    package func missing(from digests: [Digest]) async throws -> [Digest] {
        try await self.base.missing(from: digests)
    }

    package func open(_ digest: Digest) async throws -> StoredBlob {
        try await self.base.open(digest)
    }

    package func open(_ digests: [Digest]) async throws -> [StoredBlob] {
        try await self.base.open(digests)
    }

    /// Verifies all blobs, then stores them: one bad blob and none is stored.
    ///
    /// - Throws: ``CacheError`` with code `digestMismatch` for bytes that are not what they are announced as, and
    ///   `invalidRequest` for a blob that is too large.
    package func put(_ blobs: [NewBlob]) async throws {
        try await self.offload {
            var verifier = BlobVerifier(maximumSize: Self.maximumSize)
            for blob in blobs {
                try verifier.verify(blob)
            }
        }
        try await self.base.put(blobs)
    }

    package func delete(_ digests: [Digest]) async throws {
        try await self.base.delete(digests)
    }

    package func list(after cursor: Digest?, limit: Int) async throws -> [StoredBlobInfo] {
        try await self.base.list(after: cursor, limit: limit)
    }
}

/// Hashes blobs one after the other with one set of contexts.
private struct BlobVerifier: ~Copyable {
    private var hasher = SHA256()
    private var codec = FrameCodec()
    private let maximumSize: Int

    init(maximumSize: Int) { self.maximumSize = maximumSize }

    mutating func verify(_ blob: NewBlob) throws {
        guard (0...self.maximumSize).contains(blob.size) else {
            throw CacheError(
                .invalidRequest,
                "blob \(blob.digest) is announced with \(blob.size) bytes; a blob has at most \(self.maximumSize)"
            )
        }
        let actual = try blob.content.withUnsafeReadableBytes { content in
            switch blob.encoding {
            case .raw:
                try self.requireSize(content.count, of: blob)
                self.hasher.update(content)
            case .zstd:
                try self.requireSize(FrameCodec.contentSize(of: content), of: blob)
                try self.hashFrame(content, of: blob)
            }
            return self.hasher.finish()
        }
        guard actual == blob.digest else {
            throw CacheError(
                .digestMismatch,
                "blob \(blob.digest) was sent with bytes whose digest is \(actual); send it again"
            )
        }
    }

    private mutating func hashFrame(_ frame: UnsafeRawBufferPointer, of blob: NewBlob) throws {
        do throws(FrameError) {
            let bytes = try self.codec.decompress(frame, size: blob.size)
            bytes.withUnsafeBytes { self.hasher.update($0) }
        } catch {
            throw CacheError(.digestMismatch, "blob \(blob.digest) cannot be decompressed; send it again", cause: error)
        }
    }

    private func requireSize(_ size: Int?, of blob: NewBlob) throws {
        guard size == blob.size else {
            let actual = size.map { "\($0) bytes" } ?? "no content size in its frame"
            throw CacheError(
                .digestMismatch,
                "blob \(blob.digest) has \(actual), but was announced with \(blob.size) bytes; send it again"
            )
        }
    }
}

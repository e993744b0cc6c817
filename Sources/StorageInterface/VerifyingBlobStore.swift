package import CacheModel

/// Compares what is put with its digest and size before it reaches the store below.
///
/// Frames are decompressed in memory, one after the other, so a call needs as
/// much memory as its largest blob has raw bytes: ``BlobVerifier/maximumSize`` at most.
package struct VerifyingBlobStore<Base: BlobStore>: BlobStore {
    /// Runs work that keeps a processor busy, wherever the caller wants it to run.
    package typealias Offload = @Sendable (_ work: @escaping @Sendable () throws -> Void) async throws -> Void

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

    /// Verifies all blobs that are not, then stores them: one bad blob and none is stored.
    ///
    /// - Throws: ``CacheError`` with code `digestMismatch` for bytes that are not what they are announced as, and
    ///   `invalidRequest` for a blob that is too large.
    package func put(_ blobs: [NewBlob]) async throws {
        let unverified = blobs.filter { !$0.isVerified }
        if !unverified.isEmpty {
            try await self.offload {
                var verifier = BlobVerifier()
                for var blob in unverified { try verifier.verify(&blob) }
            }
        }
        try await self.base.put(blobs)
    }

    package func delete(_ digests: [Digest]) async throws {
        try await self.base.delete(digests)
    }

    package func quarantine(_ digest: Digest, found: Discovery) async throws {
        try await self.base.quarantine(digest, found: found)
    }

    package func list(after cursor: Digest?, limit: Int) async throws -> [StoredBlobInfo] {
        try await self.base.list(after: cursor, limit: limit)
    }
}

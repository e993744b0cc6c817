package import CacheModel
package import NIOCore

/// Bytes named by their digest, and nothing else.
///
/// A blob store knows no key, no project and no age. It never deletes by
/// itself: only the ``Catalog`` decides what is garbage. All methods may be
/// called concurrently, and all are idempotent, so any of them can be retried.
///
/// A blob has one stored form at a time, raw or a zstd frame; the digest is
/// always that of the raw bytes. The store keeps what it is given and does not
/// look into it: ``VerifyingBlobStore`` does.
///
/// Implementations pass the suite in `StorageConformanceTests`.
package protocol BlobStore: Sendable {
    /// Returns those of `digests` that the store does not hold, in order.
    func missing(from digests: [Digest]) async throws -> [Digest]

    /// Opens a blob's stored form for reading.
    ///
    /// What was opened stays readable even if the blob is deleted meanwhile.
    ///
    /// - Throws: ``CacheError`` with code `notFound` before the first byte is produced, never after.
    func open(_ digest: Digest) async throws -> StoredBlob

    /// Opens several blobs as ``open(_:)`` does, all or none.
    func open(_ digests: [Digest]) async throws -> [StoredBlob]

    /// Stores blobs. Each becomes visible all at once, and when the call returns all of them are durable.
    ///
    /// A blob that is already there is left as it is.
    func put(_ blobs: [NewBlob]) async throws

    /// Deletes blobs. A missing blob is not an error.
    func delete(_ digests: [Digest]) async throws

    /// Takes a blob with damaged bytes out of the store; afterwards it is missing, and can be put again.
    ///
    /// A store may keep the bytes aside for people to look at. A missing blob is not an error.
    func quarantine(_ digest: Digest, found: Discovery) async throws

    /// Lists blobs in the order of their digests, for checks and rebuilding.
    func list(after cursor: Digest?, limit: Int) async throws -> [StoredBlobInfo]
}

extension BlobStore {
    /// One after the other, for stores that gain nothing from knowing all.
    package func open(_ digests: [Digest]) async throws -> [StoredBlob] {
        var blobs: [StoredBlob] = []
        for digest in digests { blobs.append(try await self.open(digest)) }
        return blobs
    }
}

/// What was being done when a blob was found to be damaged.
package enum Discovery: String, Hashable, Sendable, CaseIterable {
    /// A restore or a download read it.
    case read
    /// The background pass over all blobs came to it.
    case scrub
    /// A client had been sent other bytes than it asked for, and said so.
    case report
    /// It was uploaded again, or a save asked for it.
    case upload
    /// Somebody had the store checked.
    case check
}

/// How a blob's bytes are stored.
package enum BlobEncoding: UInt8, Hashable, Sendable, CaseIterable {
    /// The raw bytes.
    case raw = 0
    /// One zstd frame with its content size in the header.
    case zstd = 1
}

/// A blob that was opened.
package struct StoredBlob: Sendable {
    /// How ``content`` is encoded.
    package var encoding: BlobEncoding
    /// The number of bytes in the stored form.
    package var storedSize: Int
    /// The bytes in the cheapest form that the store has.
    package var content: BlobContent

    package init(encoding: BlobEncoding, storedSize: Int, content: BlobContent) {
        self.encoding = encoding
        self.storedSize = storedSize
        self.content = content
    }
}

/// The bytes of a blob in the cheapest form that the store has.
///
/// A capability is a case, not a downcast.
package enum BlobContent: Sendable {
    /// All of it, in memory.
    case bytes(ByteBuffer)
    /// A file that stays readable for as long as the handle lives.
    case file(any BlobFile)
}

/// An open file with a blob's stored bytes; closed when the last reference goes.
package protocol BlobFile: Sendable {
    /// The file descriptor, for `sendfile(2)` and `pread(2)`.
    var descriptor: Int32 { get }
    /// The number of bytes.
    var size: Int { get }
    /// Reads a range. Blocks on the disk: call it off the cooperative pool.
    func read(_ range: Range<Int>) throws -> ByteBuffer
    /// Appends to `buffer` what can be read of the start of a range without waiting for the disk.
    ///
    /// Never blocks, so an event loop may call it. Returns the number of bytes; 0 says to use ``read(_:)``.
    func readCached(_ range: Range<Int>, into buffer: inout ByteBuffer) throws -> Int
}

extension BlobFile {
    /// Nothing: a store that cannot tell what is cached leaves all reading to ``read(_:)``.
    package func readCached(_ range: Range<Int>, into buffer: inout ByteBuffer) throws -> Int { 0 }
}

/// One row of a listing of what a store holds.
package struct StoredBlobInfo: Hashable, Sendable {
    /// The digest that the blob is stored under.
    package var digest: Digest
    /// How it is encoded.
    package var encoding: BlobEncoding
    /// The number of bytes in the stored form.
    package var storedSize: Int

    package init(digest: Digest, encoding: BlobEncoding, storedSize: Int) {
        self.digest = digest
        self.encoding = encoding
        self.storedSize = storedSize
    }
}

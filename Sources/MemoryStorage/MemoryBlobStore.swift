package import CacheModel
internal import NIOCore
package import StorageInterface
internal import Synchronization

/// Blobs in memory, for tests and servers that keep nothing.
package final class MemoryBlobStore: BlobStore {
    private struct Stored {
        var encoding: BlobEncoding
        var content: ByteBuffer
    }

    private let stored = Mutex<[Digest: Stored]>([:])

    /// Creates an empty store.
    package init() {}

    package func missing(from digests: [Digest]) async throws -> [Digest] {
        self.stored.withLock { stored in digests.filter { stored[$0] == nil } }
    }

    package func open(_ digest: Digest) async throws -> StoredBlob {
        guard let blob = self.stored.withLock({ $0[digest] }) else {
            throw CacheError(.notFound, "blob \(digest) is not in the store")
        }
        return StoredBlob(
            encoding: blob.encoding,
            storedSize: blob.content.readableBytes,
            content: .bytes(blob.content)
        )
    }

    package func put(_ blobs: [NewBlob]) async throws {
        for blob in blobs {
            let isRight = blob.encoding == .raw ? blob.storedSize == blob.size : blob.storedSize > 0 && blob.size >= 0
            guard isRight else {
                throw CacheError(
                    .digestMismatch,
                    "blob \(blob.digest) came with \(blob.storedSize) bytes, but was announced with \(blob.size)"
                )
            }
        }
        self.stored.withLock { stored in
            for blob in blobs where stored[blob.digest] == nil {
                stored[blob.digest] = Stored(encoding: blob.encoding, content: blob.content)
            }
        }
    }

    package func delete(_ digests: [Digest]) async throws {
        self.stored.withLock { stored in
            for digest in digests { stored[digest] = nil }
        }
    }

    package func quarantine(_ digest: Digest, found: Discovery) async throws {
        self.stored.withLock { $0[digest] = nil }
    }

    package func list(after cursor: Digest?, limit: Int) async throws -> [StoredBlobInfo] {
        self.stored.withLock { stored in
            stored.filter { blob in cursor.map { blob.key > $0 } ?? true }
                .sorted { $0.key < $1.key }
                .prefix(limit)
                .map { digest, blob in
                    StoredBlobInfo(digest: digest, encoding: blob.encoding, storedSize: blob.content.readableBytes)
                }
        }
    }
}

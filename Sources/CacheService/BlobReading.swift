internal import CacheModel
package import NIOCore
package import StorageInterface

/// How stored bytes are read to be sent: a batch of files is opened ahead, and pieces that are in the page cache are
/// read where they are sent, without a thread.
extension CacheService {
    /// How much is read and sent at once: it fits a core's cache, and few calls move it.
    package static var pieceSize: Int { 256 * 1_024 }

    /// Appends a range of a blob's file to `buffer`: at once where it is cached, on a thread where it is not.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `corrupt` if the file is shorter than it was.
    package func read(_ range: Range<Int>, of file: any BlobFile, into buffer: inout ByteBuffer) async throws {
        var offset = range.lowerBound
        while offset < range.upperBound {
            let rest = offset..<range.upperBound
            let count = try file.readCached(rest, into: &buffer)
            offset += count
            guard count == 0 else { continue }
            var piece = try await self.offload { try file.read(rest) }
            guard piece.readableBytes == rest.count else {
                throw CacheError(.corrupt, "a blob's file is shorter than it was")
            }
            buffer.writeBuffer(&piece)
            offset = rest.upperBound
        }
    }

    /// Opens blobs that ``describe(_:in:)-1`` found, all in one go.
    ///
    /// A row without bytes is damage, as in ``open(_:)``.
    func open(_ records: ArraySlice<BlobRecord>) async throws -> [StoredBlob] {
        do {
            let blobs = try await self.reading { try await self.blobs.open(records.map(\.digest)) }
            guard zip(blobs, records).allSatisfy({ $0.storedSize == $1.storedSize && $0.encoding == $1.encoding })
            else { throw CacheError(.notFound, "a blob is not what its row says") }
            try await self.verify(records, blobs)
            return blobs
        } catch let error as CacheError where error.code == .notFound {
            // One after the other, to find out which one it is.
            var blobs: [StoredBlob] = []
            for record in records { blobs.append(try await self.open(record)) }
            return blobs
        }
    }
}

/// Blobs in order, the next ones opened while these are sent.
package actor OpenBlobs {
    /// How many are opened at once, and so at most held open twice over.
    private static let batchSize = 16
    /// At most so many stored bytes are opened at once, because small blobs are read when they are opened.
    private static let batchBytes = 4 * 1_048_576

    private let service: CacheService
    private var rest: ArraySlice<BlobRecord>
    private var open: ArraySlice<(record: BlobRecord, blob: StoredBlob)> = []
    private var ahead: Task<[(record: BlobRecord, blob: StoredBlob)], any Error>?

    /// Creates the sequence.
    package init(_ records: [BlobRecord], of service: CacheService) {
        self.service = service
        self.rest = records[...]
    }

    /// The next blob, or `nil` after the last.
    package func next() async throws -> (record: BlobRecord, blob: StoredBlob)? {
        if self.open.isEmpty {
            let batch = self.ahead ?? self.openBatch()
            self.ahead = nil
            guard let batch else { return nil }
            self.open = try await batch.value[...]
            self.ahead = self.openBatch()
        }
        return self.open.popFirst()
    }

    private func openBatch() -> Task<[(record: BlobRecord, blob: StoredBlob)], any Error>? {
        var bytes = 0
        let batch = self.rest.prefix(Self.batchSize).prefix { record in
            defer { bytes += record.storedSize }
            return bytes < Self.batchBytes
        }
        guard !batch.isEmpty else { return nil }
        self.rest = self.rest[batch.endIndex...]
        let service = self.service
        return Task { Array(zip(batch, try await service.open(batch))) }
    }
}

internal import CacheModel
internal import GatewayKit
internal import NIOCore
internal import NativeAPI
internal import StorageInterface

/// Takes a body of blob records apart and hands it on in batches while the rest arrives.
///
/// One batch is stored while the next is received, never more: a store that is slower than the network slows the
/// client down.
struct BlobReceiver: Sendable {
    /// The stored bytes after which a batch is handed on.
    static let batchSize = 8 * 1_048_576
    /// The blobs after which a batch is handed on.
    static let batchCount = 256

    /// The most bytes of the body.
    let limit: Int
    /// Stores a batch.
    let store: @Sendable ([NewBlob]) async throws -> Void

    /// What was received.
    struct Report: Sendable {
        var blobs = 0
        var bytes = 0
    }

    /// Receives a whole body.
    ///
    /// - Throws: ``GatewayKit/Failure`` if it is too large, ``CacheModel/CacheError`` if a record is damaged, and what
    ///   `store` throws.
    func receive<Body: AsyncSequence>(_ body: Body) async throws -> Report where Body.Element == ByteBuffer {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var report = Report()
            var parser = BlobRecordParser()
            var batch: [NewBlob] = []
            var batchBytes = 0
            func handOn() async throws {
                try await group.next()
                let blobs = batch
                group.addTask { try await self.store(blobs) }
                (batch, batchBytes) = ([], 0)
            }
            for try await piece in body {
                report.bytes += piece.readableBytes
                guard report.bytes <= self.limit else { throw Failure.bodyTooLarge(limit: self.limit) }
                parser.append(piece)
                while let (header, content) = try parser.next() {
                    let blob = try NewBlob(header, content)
                    report.blobs += 1
                    batch.append(blob)
                    batchBytes += blob.storedSize
                    if batchBytes >= Self.batchSize || batch.count >= Self.batchCount { try await handOn() }
                }
            }
            guard parser.isAtBoundary else {
                throw CacheError(.invalidRequest, "the body ends in the middle of a blob record; send it again")
            }
            if !batch.isEmpty { try await handOn() }
            try await group.waitForAll()
            return report
        }
    }
}

extension NewBlob {
    /// A record that was received.
    init(_ header: BlobRecordCoding.Header, _ content: ByteBuffer) throws {
        guard let encoding = BlobEncoding(rawValue: header.encoding) else {
            throw CacheError(.invalidRequest, "blob record \(header.digest) has an unknown encoding")
        }
        self.init(digest: header.digest, encoding: encoding, size: header.size, content: content)
    }
}

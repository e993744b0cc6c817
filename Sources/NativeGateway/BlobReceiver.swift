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
                while let blob = try parser.next() {
                    report.blobs += 1
                    batch.append(blob)
                    batchBytes += blob.storedSize
                    if batchBytes >= Self.batchSize || batch.count >= Self.batchCount { try await handOn() }
                }
            }
            try parser.finish()
            if !batch.isEmpty { try await handOn() }
            try await group.waitForAll()
            return report
        }
    }
}

/// Reads blob records from pieces of any size; a record that is over a limit is refused by its header.
struct BlobRecordParser {
    private var buffer = ByteBuffer()
    private var header: BlobRecordCoding.Header?

    /// Adds a piece.
    mutating func append(_ piece: ByteBuffer) {
        if self.buffer.readableBytes == 0 {
            self.buffer = piece
        } else {
            self.buffer.writeImmutableBuffer(piece)
        }
    }

    /// Takes the next complete record, or returns `nil` if more bytes are needed.
    mutating func next() throws -> NewBlob? {
        guard let header = try self.nextHeader() else { return nil }
        guard let content = self.buffer.readSlice(length: header.storedSize) else {
            self.buffer.reserveCapacity(header.storedSize)
            return nil
        }
        self.header = nil
        guard let encoding = BlobEncoding(rawValue: header.encoding) else {
            throw CacheError(.invalidRequest, "blob record \(header.digest) has an unknown encoding")
        }
        return NewBlob(digest: header.digest, encoding: encoding, size: header.size, content: content)
    }

    /// Checks that the body ended with a record.
    func finish() throws {
        guard self.header == nil, self.buffer.readableBytes == 0 else {
            throw CacheError(.invalidRequest, "the body ends in the middle of a blob record; send it again")
        }
    }

    private mutating func nextHeader() throws -> BlobRecordCoding.Header? {
        if let header = self.header { return header }
        guard self.buffer.readableBytes >= BlobRecordCoding.headerSize else { return nil }
        var result: Result<BlobRecordCoding.Header, CacheError>?
        self.buffer.readWithUnsafeReadableBytes { bytes in
            do throws(CacheError) {
                result = .success(try BlobRecordCoding.Header(bytes))
            } catch {
                result = .failure(error)
            }
            return BlobRecordCoding.headerSize
        }
        self.header = try result?.get()
        return self.header
    }
}

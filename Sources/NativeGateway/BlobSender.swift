internal import CacheModel
internal import CacheService
internal import Hummingbird
internal import NIOCore
internal import NIOPosix
internal import NativeAPI
internal import StorageInterface

/// Writes blobs as blob records; the connection decides the pace.
struct BlobSender: Sendable {
    /// How much is read and sent at once: more would cost memory, less would cost calls.
    private static let pieceSize = 256 * 1_024

    let service: CacheService
    let threads: NIOThreadPool
    let lease: String?

    /// Sends all records in order.
    func send(_ records: [BlobRecord], to writer: inout any ResponseBodyWriter) async throws {
        for record in records {
            if let lease = self.lease { self.service.renewLease(lease) }
            let header = BlobRecordCoding.Header(
                digest: record.digest,
                encoding: record.encoding.rawValue,
                size: record.size,
                storedSize: record.storedSize
            )
            let blob = try await self.service.open(record)
            let head = ByteBuffer(bytes: header.bytes)
            switch blob.content {
            case .bytes(let buffer): try await writer.write(contentsOf: [head, buffer])
            case .file(let file): try await self.send(file, size: record.storedSize, after: head, to: &writer)
            }
        }
    }

    private func send(
        _ file: any BlobFile,
        size: Int,
        after head: ByteBuffer,
        to writer: inout any ResponseBodyWriter
    ) async throws {
        var pending: ByteBuffer? = head
        var offset = 0
        while offset < size {
            let range = offset..<min(offset + Self.pieceSize, size)
            let piece = try await self.threads.runIfActive { try file.read(range) }
            guard piece.readableBytes == range.count else {
                throw CacheError(.corrupt, "a blob's file is shorter than it was")
            }
            try await writer.write(contentsOf: [pending, piece].compactMap(\.self))
            pending = nil
            offset = range.upperBound
        }
        if let pending { try await writer.write(pending) }
    }
}

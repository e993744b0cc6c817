internal import CacheModel
internal import CacheService
internal import Hummingbird
internal import NIOCore
internal import NativeAPI
internal import StorageInterface

/// Writes blobs in few large pieces; the connection decides the pace.
///
/// Small blobs share a piece. Nobody else holds a piece once it is sent, so its memory is used again.
struct BlobSender {
    private let service: CacheService
    private var piece: ByteBuffer

    init(_ service: CacheService, expecting size: Int) {
        self.service = service
        self.piece = ByteBufferAllocator().buffer(capacity: min(size, CacheService.pieceSize))
    }

    /// Sends blobs as blob records, in order.
    mutating func send(
        _ records: [BlobRecord],
        lease: String?,
        to writer: inout any ResponseBodyWriter
    ) async throws {
        let blobs = OpenBlobs(records, of: self.service)
        while let (record, blob) = try await blobs.next() {
            if let lease { self.service.renewLease(lease) }
            let header = BlobRecordCoding.Header(
                digest: record.digest,
                encoding: record.encoding.rawValue,
                size: record.size,
                storedSize: record.storedSize
            )
            if self.room < BlobRecordCoding.headerSize { try await self.flush(to: &writer) }
            self.piece.writeBytes(header.bytes)
            try await self.append(blob.content, size: record.storedSize, to: &writer)
        }
        try await self.flush(to: &writer)
    }

    /// Sends one blob's stored bytes.
    mutating func send(_ content: BlobContent, size: Int, to writer: inout any ResponseBodyWriter) async throws {
        try await self.append(content, size: size, to: &writer)
        try await self.flush(to: &writer)
    }

    private var room: Int { CacheService.pieceSize - self.piece.readableBytes }

    private mutating func append(
        _ content: BlobContent,
        size: Int,
        to writer: inout any ResponseBodyWriter
    ) async throws {
        switch content {
        case .bytes(let buffer) where buffer.readableBytes <= self.room: self.piece.writeImmutableBuffer(buffer)
        case .bytes(let buffer):
            try await self.flush(to: &writer)
            try await writer.write(buffer)
        case .file(let file):
            var offset = 0
            while offset < size {
                let end = min(offset + self.room, size)
                try await self.service.read(offset..<end, of: file, into: &self.piece)
                offset = end
                if self.room == 0 { try await self.flush(to: &writer) }
            }
        }
    }

    private mutating func flush(to writer: inout any ResponseBodyWriter) async throws {
        guard self.piece.readableBytes > 0 else { return }
        try await writer.write(self.piece)
        self.piece.clear()
    }
}

package import CacheModel
package import NIOCore
package import NativeAPI

/// Takes blob records out of a stream that arrives in pieces of any size.
package struct BlobRecordParser: Sendable {
    private var buffer = ByteBuffer()
    private var header: BlobRecordCoding.Header?

    package init() {}

    /// Whether nothing is left over: the stream may end here.
    package var isAtBoundary: Bool { self.header == nil && self.buffer.readableBytes == 0 }

    /// Takes the next piece of the stream.
    package mutating func append(_ piece: ByteBuffer) {
        if self.buffer.readableBytes == 0 {
            self.buffer = piece
        } else {
            self.buffer.writeImmutableBuffer(piece)
        }
    }

    /// The next record that is complete.
    ///
    /// - Throws: ``CacheModel/CacheError`` if a header is damaged.
    package mutating func next() throws(CacheError) -> (BlobRecordCoding.Header, ByteBuffer)? {
        if self.header == nil {
            guard let bytes = self.buffer.readBytes(length: BlobRecordCoding.headerSize) else { return nil }
            self.header = try Self.header(bytes)
        }
        guard let header = self.header, let bytes = self.buffer.readSlice(length: header.storedSize) else { return nil }
        self.header = nil
        self.buffer.discardReadBytes()
        return (header, bytes)
    }

    private static func header(_ bytes: [UInt8]) throws(CacheError) -> BlobRecordCoding.Header {
        var result: Result<BlobRecordCoding.Header, CacheError>?
        bytes.withUnsafeBytes { bytes in
            result = Result { () throws(CacheError) in try BlobRecordCoding.Header(bytes) }
        }
        guard let result else { throw CacheError(.corrupt, "a blob record has no header") }
        return try result.get()
    }
}

package import CacheModel
package import NIOCore

/// Takes blob records out of a stream that arrives in pieces of any size.
///
/// The bytes of each record are copied into memory of their own: a record then keeps nothing else alive, and a batch
/// of records takes up no more than their sizes.
package struct BlobRecordParser: Sendable {
    /// The most memory that is set aside because a header says so, before the bytes are there.
    private static let trustedSize = 2 * 1_048_576

    private var input = ByteBuffer()
    private var header: BlobRecordCoding.Header?
    private var content = ByteBuffer()

    package init() {}

    /// Whether nothing is left over: the stream may end here.
    package var isAtBoundary: Bool { self.header == nil && self.input.readableBytes == 0 }

    /// Takes the next piece of the stream; call ``next()`` until it has nothing more before the next piece.
    package mutating func append(_ piece: ByteBuffer) {
        if self.input.readableBytes == 0 {
            self.input = piece
        } else {
            self.input.writeImmutableBuffer(piece)
        }
    }

    /// The next record that is complete.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` if a header is damaged or over a limit.
    package mutating func next() throws(CacheError) -> (header: BlobRecordCoding.Header, content: ByteBuffer)? {
        guard let header = try self.nextHeader() else { return nil }
        let missing = header.storedSize - self.content.readableBytes
        if var piece = self.input.readSlice(length: min(missing, self.input.readableBytes)) {
            self.content.writeBuffer(&piece)
        }
        guard self.content.readableBytes == header.storedSize else { return nil }
        self.header = nil
        return (header, self.content)
    }

    private mutating func nextHeader() throws(CacheError) -> BlobRecordCoding.Header? {
        if let header = self.header { return header }
        guard let bytes = self.input.readBytes(length: BlobRecordCoding.headerSize) else { return nil }
        var result: Result<BlobRecordCoding.Header, CacheError>?
        bytes.withUnsafeBytes { bytes in
            result = Result { () throws(CacheError) in try BlobRecordCoding.Header(bytes) }
        }
        guard let header = try result?.get() else { return nil }
        self.content = ByteBufferAllocator().buffer(capacity: min(header.storedSize, Self.trustedSize))
        self.header = header
        return header
    }
}

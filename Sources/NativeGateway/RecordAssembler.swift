internal import CacheModel
internal import NIOCore
internal import NativeAPI
internal import StorageInterface

/// Takes blob records out of a body without putting their pieces together.
struct RecordAssembler {
    private var headerBytes: [UInt8] = []
    private var header: BlobRecordCoding.Header?
    private var pieces: [ByteBuffer] = []
    private var missing = 0

    /// Whether nothing is left over: the body may end here.
    var isAtBoundary: Bool { self.header == nil && self.headerBytes.isEmpty }

    /// The next record that is complete with what `input` has; takes from its front.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` if a header is damaged or over a limit.
    mutating func next(from input: inout ByteBuffer) throws -> NewBlob? {
        guard let header = try self.nextHeader(from: &input) else { return nil }
        if let piece = input.readSlice(length: min(self.missing, input.readableBytes)), piece.readableBytes > 0 {
            self.missing -= piece.readableBytes
            self.pieces.append(piece)
        }
        guard self.missing == 0 else { return nil }
        guard let encoding = BlobEncoding(rawValue: header.encoding) else {
            throw CacheError(.invalidRequest, "blob record \(header.digest) has an unknown encoding")
        }
        let blob = NewBlob(digest: header.digest, encoding: encoding, size: header.size, pieces: self.pieces)
        self.header = nil
        self.pieces = []
        return blob
    }

    private mutating func nextHeader(from input: inout ByteBuffer) throws -> BlobRecordCoding.Header? {
        if let header = self.header { return header }
        let wanted = min(BlobRecordCoding.headerSize - self.headerBytes.count, input.readableBytes)
        self.headerBytes += input.readBytes(length: wanted) ?? []
        guard self.headerBytes.count == BlobRecordCoding.headerSize else { return nil }
        let header = try self.headerBytes.withUnsafeBytes { try BlobRecordCoding.Header($0) }
        self.headerBytes = []
        self.header = header
        self.missing = header.storedSize
        return header
    }
}

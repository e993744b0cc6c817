package import CacheModel

/// How blobs travel in batches: records one after another, nothing between
/// them and nothing after the last.
///
/// A record is a header of 44 bytes and the stored bytes:
///
///     0..<32   digest of the raw bytes
///     32       encoding: 0 raw, 1 one zstd frame
///     33..<36  zero
///     36..<40  raw size, little-endian
///     40..<44  stored size, little-endian
package enum BlobRecordCoding {
    /// The media type of a body of records.
    package static let mediaType = "application/vnd.tarn.blobs"
    /// The bytes of a record's header.
    package static let headerSize = 44
    /// The most raw or stored bytes of one blob: a recipe's limit.
    package static let maximumBlobSize = 64 * 1_048_576

    /// A record's header.
    package struct Header: Hashable, Sendable {
        package var digest: Digest
        /// 0 raw, 1 zstd.
        package var encoding: UInt8
        package var size: Int
        package var storedSize: Int

        package init(digest: Digest, encoding: UInt8, size: Int, storedSize: Int) {
            self.digest = digest
            self.encoding = encoding
            self.size = size
            self.storedSize = storedSize
        }

        /// The 44 bytes.
        package var bytes: [UInt8] {
            var bytes = self.digest.bytes
            bytes += [self.encoding, 0, 0, 0]
            for value in [UInt32(self.size), UInt32(self.storedSize)] {
                withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
            }
            return bytes
        }

        /// Reads a header from at least 44 bytes.
        ///
        /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest`.
        package init(_ bytes: UnsafeRawBufferPointer) throws(CacheError) {
            precondition(bytes.count >= BlobRecordCoding.headerSize, "A header has 44 bytes.")
            self.digest = Digest(loading: bytes)
            self.encoding = bytes[32]
            self.size = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 36, as: UInt32.self)))
            self.storedSize = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 40, as: UInt32.self)))
            let isSound =
                self.encoding <= 1 && bytes[33] == 0 && bytes[34] == 0 && bytes[35] == 0
                && self.size <= BlobRecordCoding.maximumBlobSize
                && self.storedSize <= BlobRecordCoding.maximumBlobSize
                && (self.encoding == 1 || self.size == self.storedSize)
            guard isSound else {
                throw CacheError(.invalidRequest, "the header of blob record \(self.digest) is damaged or over a limit")
            }
        }
    }
}

package import CacheModel
package import NIOCore

/// A blob to be stored.
package struct NewBlob: Sendable {
    /// The digest of the raw bytes.
    package var digest: Digest { didSet { self.isVerified = false } }
    /// How ``content`` is encoded.
    package private(set) var encoding: BlobEncoding
    /// The number of raw bytes.
    package var size: Int { didSet { self.isVerified = false } }
    /// The bytes in their stored form, piece after piece: what arrives in pieces is never put together.
    package private(set) var pieces: [ByteBuffer]
    /// Whether the bytes were compared with the digest; only ``BlobVerifier`` says so.
    package internal(set) var isVerified = false

    /// Creates a blob whose stored form is in one piece.
    package init(digest: Digest, encoding: BlobEncoding, size: Int, content: ByteBuffer) {
        self.init(digest: digest, encoding: encoding, size: size, pieces: [content])
    }

    /// Creates a blob whose stored form is in pieces.
    package init(digest: Digest, encoding: BlobEncoding, size: Int, pieces: [ByteBuffer]) {
        self.digest = digest
        self.encoding = encoding
        self.size = size
        self.pieces = pieces
    }

    /// The number of bytes in the stored form.
    package var storedSize: Int { self.pieces.reduce(0) { $0 + $1.readableBytes } }

    /// The bytes in their stored form; copied if they are in pieces.
    package var content: ByteBuffer {
        get {
            if self.pieces.count == 1, let piece = self.pieces.first { return piece }
            var whole = ByteBufferAllocator().buffer(capacity: self.storedSize)
            for piece in self.pieces { whole.writeImmutableBuffer(piece) }
            return whole
        }
        set {
            self.pieces = [newValue]
            self.isVerified = false
        }
    }

    /// Puts another stored form of the same raw bytes in the place of this one.
    ///
    /// What was verified stays so: the caller has made the new form of the verified bytes itself.
    package mutating func recode(as encoding: BlobEncoding, _ pieces: [ByteBuffer]) {
        self.encoding = encoding
        self.pieces = pieces
    }
}

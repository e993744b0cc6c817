import CacheModel
import LayerKernels
import NIOCore
import StorageInterface
import Testing

@testable import CacheService

struct BlobFramerTests {
    /// Bytes that do not compress, in pieces of a size.
    private func noise(_ size: Int, pieces pieceSize: Int) -> [ByteBuffer] {
        var state: UInt64 = 99
        let bytes = (0..<size).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
        return stride(from: 0, to: size, by: pieceSize).map { ByteBuffer(bytes: bytes[$0..<min($0 + pieceSize, size)]) }
    }

    private func blob(_ pieces: [ByteBuffer]) -> NewBlob {
        let bytes = pieces.flatMap { Array($0.readableBytesView) }
        return NewBlob(digest: SHA256.digest(of: bytes), encoding: .raw, size: bytes.count, pieces: pieces)
    }

    @Test(arguments: [65_536, 131_071, 131_072, 131_073, 1_048_576, 2_097_152])
    func `what does not compress is framed as it is`(size: Int) throws {
        for pieceSize in [1_000, 65_536, 131_072, size] {
            var blob = self.blob(self.noise(size, pieces: pieceSize))
            var framer = BlobFramer(level: 3)
            try framer.frame(&blob)
            #expect(blob.encoding == .zstd)
            #expect(blob.storedSize == size + 9 + 3 * ((size + 131_071) / 131_072))
            // The verifier decodes it, and so could anybody.
            var verifier = BlobVerifier()
            try verifier.verify(&blob)
            #expect(blob.isVerified)
        }
    }

    @Test(arguments: [0, 1, 65_535, 65_536, 1_000_000, 3_000_000])
    func `what compresses is compressed`(size: Int) throws {
        var blob = self.blob([
            ByteBuffer(repeating: 7, count: size / 2), ByteBuffer(repeating: 8, count: size - size / 2),
        ])
        var framer = BlobFramer(level: 3)
        try framer.frame(&blob)
        #expect(blob.encoding == .zstd && blob.storedSize < 500)
        var verifier = BlobVerifier()
        try verifier.verify(&blob)
        let again = blob.pieces
        try framer.frame(&blob)
        #expect(blob.pieces == again)
    }

    @Test func `a blob whose bytes are changed has to be verified again`() throws {
        var blob = self.blob(self.noise(100, pieces: 30))
        var verifier = BlobVerifier()
        try verifier.verify(&blob)
        #expect(blob.isVerified)
        blob.content = ByteBuffer(bytes: [UInt8](repeating: 0, count: 100))
        #expect(!blob.isVerified)
        let error = #expect(throws: CacheError.self) { try verifier.verify(&blob) }
        #expect(error?.code == .digestMismatch)
    }
}

import LayerKernels
import Testing

struct StreamTests {
    /// Bytes that compress somewhat, and differ from one place to the next.
    private static func bytes(_ count: Int) -> [UInt8] {
        var state: UInt32 = 12_345
        return (0..<count).map { position in
            state = state &* 1_664_525 &+ 1_013_904_223
            return position / 100 % 2 == 0
                ? UInt8(truncatingIfNeeded: state >> 24) : UInt8(truncatingIfNeeded: position / 100)
        }
    }

    /// Feeds bytes in pieces of random size and returns all that comes out.
    private static func run(_ stream: any ByteStream, _ bytes: [UInt8], largestPiece: Int) throws -> [UInt8] {
        var output: [UInt8] = []
        var largest = 0
        func take(_ piece: UnsafeRawBufferPointer) {
            output += piece
            largest = max(largest, piece.count)
        }
        try bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 0...largestPiece))
                try stream.write(UnsafeRawBufferPointer(rebasing: piece), take)
                rest = rest.dropFirst(piece.count)
            }
        }
        try stream.finish(take)
        #expect(largest <= 65_536)
        return output
    }

    private static func gzip(_ bytes: [UInt8]) throws -> [UInt8] {
        try self.run(GzipCompressor(), bytes, largestPiece: max(1, bytes.count))
    }

    private static func zstd(_ bytes: [UInt8]) throws -> [UInt8] {
        var codec = FrameCodec()
        return try codec.compress(bytes)
    }

    @Test(arguments: [0, 1, 65_535, 65_536, 65_537, 1_000_000], [1, 7, 5_000, 200_000])
    func `streams come back however their bytes are split`(size: Int, piece: Int) throws {
        guard size / piece < 200_000 else { return }
        let bytes = Self.bytes(size)
        let gzip = try Self.run(GzipCompressor(), bytes, largestPiece: piece)
        #expect(try Self.run(GzipDecompressor(), gzip, largestPiece: piece) == bytes)
        #expect(try Self.run(StreamDecompressor(), gzip, largestPiece: piece) == bytes)
        let zstd = try Self.zstd(bytes)
        #expect(try Self.run(ZstdStreamDecompressor(), zstd, largestPiece: piece) == bytes)
        #expect(try Self.run(StreamDecompressor(), zstd, largestPiece: piece) == bytes)
        #expect(try Self.run(StreamDecompressor(), bytes, largestPiece: piece) == bytes)
    }

    @Test func `the same bytes give the same gzip`() throws {
        let bytes = Self.bytes(300_000)
        let first = try Self.run(GzipCompressor(), bytes, largestPiece: 11)
        #expect(try Self.run(GzipCompressor(), bytes, largestPiece: 70_000) == first)
        #expect(Array(first[4..<8]) == [0, 0, 0, 0])
    }

    @Test func `members and frames one after another are one stream`() throws {
        let halves = [Self.bytes(100_000), Array(Self.bytes(70_001).reversed())]
        let gzip = try halves.flatMap { try Self.gzip($0) }
        let zstd = try halves.flatMap { try Self.zstd($0) }
        for piece in [1, 100, 400_000] {
            #expect(try Self.run(GzipDecompressor(), gzip, largestPiece: piece) == Array(halves.joined()))
            #expect(try Self.run(ZstdStreamDecompressor(), zstd, largestPiece: piece) == Array(halves.joined()))
        }
    }

    @Test func `a stream cut off anywhere is refused`() throws {
        let bytes = Self.bytes(3_000)
        for stream in [try Self.gzip(bytes), try Self.zstd(bytes)] {
            for end in 4..<stream.count {
                #expect(throws: StreamError.self) {
                    try Self.run(StreamDecompressor(), Array(stream[..<end]), largestPiece: 500)
                }
            }
        }
        #expect(throws: StreamError.self) { try Self.run(GzipDecompressor(), [], largestPiece: 1) }
        #expect(throws: StreamError.self) { try Self.run(ZstdStreamDecompressor(), [], largestPiece: 1) }
    }

    @Test func `bytes behind a stream that are none of it are refused`() throws {
        for stream in [try Self.gzip([1, 2, 3]), try Self.zstd([1, 2, 3])] {
            for tail in [[UInt8](repeating: 0, count: 20), Array("garbage that follows".utf8)] {
                for piece in [1, 1_000] {
                    #expect(throws: StreamError.self) {
                        try Self.run(StreamDecompressor(), stream + tail, largestPiece: piece)
                    }
                }
            }
        }
    }

    @Test func `a flipped bit of gzip never gives other bytes`() throws {
        let bytes = Self.bytes(2_000)
        let gzip = try Self.gzip(bytes)
        // Flags and time are not protected, nor are the bits that fill up the last byte of the data.
        var refused = 0
        for position in gzip.indices {
            var damaged = gzip
            damaged[position] ^= 0x10
            do {
                #expect(try Self.run(GzipDecompressor(), damaged, largestPiece: 100) == bytes)
            } catch is StreamError {
                refused += 1
            }
        }
        #expect(refused >= gzip.count - 10)
    }

    @Test func `what the body throws ends the work at once`() throws {
        struct Enough: Error {}
        let bomb = try Self.gzip([UInt8](repeating: 0, count: 10_000_000))
        var taken = 0
        let stream = GzipDecompressor()
        #expect(throws: Enough.self) {
            try bomb.withUnsafeBytes { bytes in
                try stream.write(bytes) { piece in
                    taken += piece.count
                    if taken > 100_000 { throw Enough() }
                }
            }
        }
        #expect(taken <= 100_000 + 65_536)
    }

    @Test(arguments: [
        ([0x1f, 0x8b, 8, 0], CompressionFormat.gzip), ([0x28, 0xb5, 0x2f, 0xfd], .zstd),
        ([0x50, 0x2a, 0x4d, 0x18], .zstd),
        ([0x5f, 0x2a, 0x4d, 0x18], .zstd), ([], .plain), ([0x1f], .plain), ([0x28, 0xb5, 0x2f], .plain),
        (Array("a.tx".utf8), .plain),
    ])
    func `the first bytes tell the format`(bytes: [UInt8], format: CompressionFormat) {
        #expect(bytes.withUnsafeBytes { CompressionFormat.detect($0) } == format)
    }
}

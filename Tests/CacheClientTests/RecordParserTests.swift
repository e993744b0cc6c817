import CacheModel
import LayerKernels
import NIOCore
import NativeAPI
import Testing

@testable import CacheClient

struct RecordParserTests {
    /// Records of these contents, one after another.
    private func records(_ contents: [[UInt8]]) throws -> [UInt8] {
        let encoder = BlobEncoder(level: 3)
        var buffer = ByteBuffer()
        for content in contents {
            try content.withUnsafeBytes {
                _ = try encoder.append($0, digest: SHA256.digest(of: content), to: &buffer)
            }
        }
        return Array(buffer.readableBytesView)
    }

    private var contents: [[UInt8]] {
        [[], [1], Workplace.noise(70_000), Array(repeating: 7, count: 100_000), Array("text".utf8)]
    }

    @Test(arguments: 0..<50)
    func `records come out whatever the pieces are`(seed: Int) throws {
        let bytes = try self.records(self.contents)
        var parser = BlobRecordParser()
        var found: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            // Half of all pieces are tiny, so that headers are split, too.
            let size = Bool.random() ? Int.random(in: 1...50) : Int.random(in: 1...40_000)
            parser.append(ByteBuffer(bytes: rest.prefix(size)))
            rest = rest.dropFirst(size)
            while let (header, stored) = try parser.next() {
                found.append(try BlobDecoder().decode(header, stored, limit: 1 << 20) { Array($0) })
            }
        }
        #expect(found == self.contents)
        #expect(parser.isAtBoundary)
    }

    @Test func `every truncation is noticed`() throws {
        let bytes = try self.records([[1, 2, 3], [4]])
        var boundaries: [Int] = []
        for length in 0...bytes.count {
            var parser = BlobRecordParser()
            parser.append(ByteBuffer(bytes: bytes.prefix(length)))
            while try parser.next() != nil {}
            if parser.isAtBoundary { boundaries.append(length) }
        }
        #expect(boundaries.count == 3 && boundaries.first == 0 && boundaries.last == bytes.count)
    }

    @Test(arguments: [32, 33, 34, 35, 39, 43])
    func `a damaged header is refused`(position: Int) throws {
        var bytes = try self.records([[1, 2, 3]])
        bytes[position] = 0xff
        var parser = BlobRecordParser()
        parser.append(ByteBuffer(bytes: bytes))
        #expect(throws: CacheError.self) { try parser.next() }
    }

    @Test func `raw records are read, and lies about content are noticed`() throws {
        let content = Array("raw".utf8)
        let digest = SHA256.digest(of: content)
        let header = BlobRecordCoding.Header(digest: digest, encoding: 0, size: 3, storedSize: 3)
        let decoder = BlobDecoder()
        func decode(_ header: BlobRecordCoding.Header, _ stored: [UInt8], limit: Int) throws -> [UInt8] {
            try decoder.decode(header, ByteBuffer(bytes: stored), limit: limit) { Array($0) }
        }
        #expect(try decode(header, content, limit: 3) == content)
        #expect(throws: CacheError.self) { try decode(header, content, limit: 2) }
        #expect(throws: CacheError.self) { try decode(header, Array("war".utf8), limit: 3) }
        var frame = header
        frame.encoding = 1
        #expect(throws: CacheError.self) { try decode(frame, Array("war".utf8), limit: 3) }
        // What failed leaves nothing behind.
        #expect(try decode(header, content, limit: 3) == content)
    }
}

import CacheModel
import NIOCore
import NativeAPI
import StorageInterface
import Testing

@testable import NativeGateway

struct RecordAssemblerTests {
    private let blobs = [3, 0, 50, 1, 0].map { [UInt8](repeating: UInt8($0), count: $0 * 50) }

    @Test(arguments: [1, 7, 43, 44, 45, 194, 10_000])
    func `records are taken from pieces of any size`(size: Int) throws {
        let body = self.blobs.flatMap { Sample.record($0) }
        var records = RecordAssembler()
        var found: [NewBlob] = []
        for start in stride(from: 0, to: body.count, by: size) {
            var piece = ByteBuffer(bytes: body[start..<min(start + size, body.count)])
            while let blob = try records.next(from: &piece) { found.append(blob) }
            #expect(piece.readableBytes == 0)
        }
        #expect(records.isAtBoundary)
        #expect(found.map { Array($0.content.readableBytesView) } == self.blobs)
        #expect(found.map(\.size) == self.blobs.map(\.count))
    }

    @Test func `a body that ends within a record is told apart`() throws {
        let body = self.blobs.flatMap { Sample.record($0) }
        for missing in [1, 43, 44, 45, 94] {
            var records = RecordAssembler()
            var piece = ByteBuffer(bytes: body.dropLast(missing))
            while try records.next(from: &piece) != nil {}
            #expect(records.isAtBoundary == (missing == 44), "\(missing)")
        }
    }

    @Test func `a damaged header is refused`() throws {
        var body = Sample.record([1, 2, 3])
        body[33] = 1
        var records = RecordAssembler()
        var piece = ByteBuffer(bytes: body)
        #expect(throws: CacheError.self) { try records.next(from: &piece) }
    }
}

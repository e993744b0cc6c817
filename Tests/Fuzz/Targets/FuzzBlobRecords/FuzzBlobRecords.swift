import CacheModel
@testable import NativeAPI
import NIOCore
import Support

// Blob records: how the stream is cut into pieces changes nothing, and each record is made of the stream's own bytes.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var feed = Feed(start, count)
    let step = feed.number(below: 255) + 1
    let input = feed.rest
    let whole = Outcome(of: input, step: max(1, input.count))
    let pieces = Outcome(of: input, step: step)
    require(whole == pieces, "pieces of \(step) bytes give other records")
    require(input.starts(with: whole.bytes), "records have other bytes than the stream")
    require(!whole.isAtBoundary || whole.bytes.count == input.count, "a boundary, but bytes are left over")
    return 0
}

private struct Outcome: Equatable {
    /// The records as they would be written.
    var bytes: [UInt8] = []
    var error: String?
    var isAtBoundary = false

    init(of input: UnsafeRawBufferPointer, step: Int) {
        var parser = BlobRecordParser()
        do throws(CacheError) {
            var rest = input[...]
            while !rest.isEmpty {
                parser.append(ByteBuffer(bytes: rest.prefix(step)))
                rest = rest.dropFirst(step)
                while let record = try parser.next() {
                    self.bytes += record.header.bytes
                    self.bytes += record.content.readableBytesView
                }
            }
            self.isAtBoundary = parser.isAtBoundary
        } catch {
            self.error = error.message
        }
    }
}

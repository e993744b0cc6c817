@testable import RequestFraming
import Support

// The framing of requests: how the stream is cut into pieces changes nothing, and only long lines are refused.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var feed = Feed(start, count)
    let step = feed.number(below: 255) + 1
    let input = feed.rest
    let isTaken = takes(input, step: max(1, input.count))
    require(isTaken == takes(input, step: step), "pieces of \(step) bytes are judged otherwise")
    require(isTaken || hasLongLine(input), "refused, but no line is long")
    return 0
}

private func takes(_ input: UnsafeRawBufferPointer, step: Int) -> Bool {
    var framing = ChunkFraming(longestField: 400)
    return stride(from: 0, to: input.count, by: step).allSatisfy { start in
        framing.advance(over: UnsafeRawBufferPointer(rebasing: input[start..<min(start + step, input.count)])) == nil
    }
}

private func hasLongLine(_ input: UnsafeRawBufferPointer) -> Bool {
    input.split(separator: UInt8(ascii: "\n")).contains { $0.count > ChunkFraming.longestLine }
}

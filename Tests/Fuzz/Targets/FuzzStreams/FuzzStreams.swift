import LayerKernels
import Support

// gzip, zstd and plain streams: how a stream is cut into pieces changes nothing, and what is written is read again.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var feed = Feed(start, count)
    let cut = feed.byte()
    let input = feed.rest
    let whole = Outcome(of: [input])
    let place = min(Int(cut), input.count)
    let pieces = [
        UnsafeRawBufferPointer(rebasing: input[..<place]), UnsafeRawBufferPointer(rebasing: input[place...]),
    ]
    let cutInTwo = Outcome(of: pieces)
    // libzstd 1.5.4 compares a frame's size with its content unless the frame comes in pieces and ends in an empty block.
    let isStrict = CompressionFormat.detect(input) != .zstd
    require(
        !isStrict || (whole.error == nil) == (cutInTwo.error == nil),
        "cut at \(place): \(cutInTwo.error ?? "-"), whole: \(whole.error ?? "-")"
    )
    let isAccepted = whole.error == nil && cutInTwo.error == nil
    require(!isAccepted || whole.bytes == cutInTwo.bytes, "cutting changes the bytes")
    if cut % 16 == 0 { checkRoundTrip(input) }
    return 0
}

private struct TooLong: Error, CustomStringConvertible { let description = "too long" }

private struct Outcome {
    var bytes: [UInt8] = []
    var error: String?

    init(of pieces: [UnsafeRawBufferPointer], limit: Int = 1 << 20) {
        let stream = StreamDecompressor(maximumWindowBits: 20)
        func add(_ piece: UnsafeRawBufferPointer) throws {
            require(piece.count <= 65_536, "a piece of \(piece.count) bytes")
            guard self.bytes.count + piece.count <= limit else { throw TooLong() }
            self.bytes.append(contentsOf: piece)
        }
        do {
            for piece in pieces { try stream.write(piece, add) }
            try stream.finish(add)
        } catch {
            self.error = "\(error)"
        }
    }
}

private func checkRoundTrip(_ input: UnsafeRawBufferPointer) {
    var compressed: [UInt8] = []
    let compressor = GzipCompressor(level: 1)
    do {
        try compressor.write(input) { compressed.append(contentsOf: $0) }
        try compressor.finish { compressed.append(contentsOf: $0) }
    } catch {
        require(false, "compressing fails: \(error)")
    }
    let outcome = compressed.withUnsafeBytes { Outcome(of: [$0]) }
    require(outcome.error == nil && outcome.bytes.elementsEqual(input), "gzip changes the bytes")
}

import LayerKernels
import Support

// Chunks as zstd frames: what is compressed comes back, and frames of any bytes are refused or give the announced size.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeRawBufferPointer(start: start, count: count)
    if let size = FrameCodec.contentSize(of: input), size <= 1 << 20 {
        let bytes = try? codec.decompress(input, size: size)
        require(bytes.map { $0.count == size } ?? true, "a frame gives another size than it says")
        require((try? codec.decompress(input, size: size + 1)) == nil, "a frame is accepted with two sizes")
        if let bytes { checkStream(input, bytes) }
    }
    guard count % 4 == 0 else { return 0 }
    let raw = Array(input)
    guard var frame = try? codec.compress(raw) else {
        require(false, "compressing fails")
        return 0
    }
    require(frame.withUnsafeBytes { try? codec.decompress($0, size: count) } == raw, "a chunk changes")
    frame.append(0)
    require(frame.withUnsafeBytes { try? codec.decompress($0, size: count) } == nil, "a byte after a frame is accepted")
    return 0
}

/// A frame alone is a stream, too; where the reader of streams accepts it, it gives the same.
private func checkStream(_ frame: UnsafeRawBufferPointer, _ bytes: [UInt8]) {
    let stream = ZstdStreamDecompressor()
    var read: [UInt8] = []
    do {
        try stream.write(frame) { read.append(contentsOf: $0) }
        try stream.finish { read.append(contentsOf: $0) }
    } catch {
        return
    }
    require(read == bytes, "a frame gives other bytes as a stream")
}

nonisolated(unsafe) private var codec = FrameCodec(level: 1)

import CacheModel
import LayerKernels
import Testing

struct FrameCodecTests {
    @Test(arguments: [0, 1, 511, 512, 1_000_000])
    func `what was compressed comes back`(size: Int) throws {
        var codec = FrameCodec()
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 / 7) }
        let frame = try codec.compress(bytes)
        #expect(frame.withUnsafeBytes { FrameCodec.contentSize(of: $0) } == size)
        #expect(try frame.withUnsafeBytes { try codec.decompress($0, size: size) } == bytes)
    }

    @Test func `a frame of another size is refused without writing past the end`() throws {
        var codec = FrameCodec()
        let frame = try codec.compress([UInt8](repeating: 0, count: 1 << 20))
        #expect(throws: FrameError.self) { try frame.withUnsafeBytes { _ = try codec.decompress($0, size: 1_000) } }
        #expect(throws: FrameError.self) { try frame.withUnsafeBytes { _ = try codec.decompress($0, size: 2 << 20) } }
    }

    @Test func `bytes after the frame are refused`() throws {
        var codec = FrameCodec()
        let frame = try codec.compress([1, 2, 3]) + [0]
        #expect(throws: FrameError.self) { try frame.withUnsafeBytes { _ = try codec.decompress($0, size: 3) } }
    }

    @Test func `noise is no frame`() {
        var codec = FrameCodec()
        let noise = [UInt8](repeating: 0x5a, count: 64)
        #expect(throws: FrameError.self) { try noise.withUnsafeBytes { _ = try codec.decompress($0, size: 64) } }
        #expect(noise.withUnsafeBytes { FrameCodec.contentSize(of: $0) } == nil)
    }
}

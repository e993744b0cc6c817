internal import CZstd

/// Turns chunks into independent zstd frames and back.
///
/// Contexts are allocated once and reused. A frame carries its content size,
/// no checksum and no dictionary; frames one after another are a valid
/// `.tar.zst`.
public struct FrameCodec: ~Copyable {
    /// The level that frames are compressed at unless told otherwise.
    public static let defaultLevel = 3
    /// The largest window accepted, 8 MiB: hostile frames cannot make a reader allocate more.
    private static let maximumWindowBits: Int32 = 23

    private let compressor: OpaquePointer?
    private let decompressor: OpaquePointer?

    /// Creates a codec that compresses at `level`, 1 to 19.
    public init(level: Int = Self.defaultLevel) {
        self.compressor = ZSTD_createCCtx()
        self.decompressor = ZSTD_createDCtx()
        precondition(self.compressor != nil && self.decompressor != nil, "Out of memory for zstd contexts.")
        ZSTD_CCtx_setParameter(self.compressor, ZSTD_c_compressionLevel, Int32(level))
        ZSTD_CCtx_setParameter(self.compressor, ZSTD_c_contentSizeFlag, 1)
        ZSTD_DCtx_setParameter(self.decompressor, ZSTD_d_windowLogMax, Self.maximumWindowBits)
    }

    deinit {
        ZSTD_freeCCtx(self.compressor)
        ZSTD_freeDCtx(self.decompressor)
    }

    /// The most bytes that a frame of `size` raw bytes can have.
    public static func maximumFrameSize(for size: Int) -> Int { ZSTD_compressBound(size) }

    /// Compresses `bytes` into one frame.
    ///
    /// - Parameters:
    ///   - bytes: The raw bytes.
    ///   - frame: Room for at least ``maximumFrameSize(for:)`` bytes.
    /// - Returns: The frame's size.
    /// - Throws: ``FrameError``.
    public mutating func compress(
        _ bytes: UnsafeRawBufferPointer,
        into frame: UnsafeMutableRawBufferPointer
    ) throws(FrameError) -> Int {
        let size = ZSTD_compress2(self.compressor, frame.baseAddress, frame.count, bytes.baseAddress, bytes.count)
        guard ZSTD_isError(size) == 0 else { throw FrameError(code: size) }
        return size
    }

    /// Decompresses exactly one frame of exactly `bytes.count` raw bytes.
    ///
    /// Never writes past `bytes`, whatever the frame claims.
    ///
    /// - Throws: ``FrameError`` if the frame is damaged, has another size, or is followed by anything.
    public mutating func decompress(
        _ frame: UnsafeRawBufferPointer,
        into bytes: UnsafeMutableRawBufferPointer
    ) throws(FrameError) {
        let frameSize = ZSTD_findFrameCompressedSize(frame.baseAddress, frame.count)
        guard ZSTD_isError(frameSize) == 0 else { throw FrameError(code: frameSize) }
        guard frameSize == frame.count else { throw FrameError("is followed by \(frame.count - frameSize) more bytes") }
        let size = ZSTD_decompressDCtx(
            self.decompressor,
            bytes.baseAddress,
            bytes.count,
            frame.baseAddress,
            frame.count
        )
        guard ZSTD_isError(size) == 0 else { throw FrameError(code: size) }
        guard size == bytes.count else { throw FrameError("holds \(size) bytes, expected \(bytes.count)") }
    }

    /// Compresses an array into one frame.
    ///
    /// - Throws: ``FrameError``.
    public mutating func compress(_ bytes: [UInt8]) throws(FrameError) -> [UInt8] {
        let capacity = Self.maximumFrameSize(for: bytes.count)
        var frame = [UInt8](repeating: 0, count: capacity)
        var size = 0
        var failure: FrameError?
        bytes.withUnsafeBytes { bytes in
            frame.withUnsafeMutableBytes { frame in
                do throws(FrameError) { size = try self.compress(bytes, into: frame) } catch { failure = error }
            }
        }
        if let failure { throw failure }
        frame.removeLast(capacity - size)
        return frame
    }

    /// Decompresses one frame of exactly `size` raw bytes into an array.
    ///
    /// - Throws: ``FrameError``, as ``decompress(_:into:)`` does.
    public mutating func decompress(_ frame: UnsafeRawBufferPointer, size: Int) throws(FrameError) -> [UInt8] {
        var failure: FrameError?
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { bytes, count in
            do throws(FrameError) {
                let room = UnsafeMutableRawBufferPointer(bytes)[..<size]
                try self.decompress(frame, into: UnsafeMutableRawBufferPointer(rebasing: room))
                count = size
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// The content size that a frame's header claims, or `nil` if it claims none or is no frame.
    public static func contentSize(of frame: UnsafeRawBufferPointer) -> Int? {
        // ZSTD_CONTENTSIZE_UNKNOWN and _ERROR are the two largest values; as a signed number both are negative.
        let size = Int64(bitPattern: ZSTD_getFrameContentSize(frame.baseAddress, frame.count))
        return size < 0 ? nil : Int(size)
    }
}

/// What is wrong with a frame.
public struct FrameError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, to follow "the frame …".
    public let problem: String

    init(_ problem: String) { self.problem = problem }

    init(code: Int) { self.problem = "is damaged (\(String(cString: ZSTD_getErrorName(code))))" }

    /// What is wrong with the frame.
    public var description: String { "the zstd frame \(self.problem)" }
}

internal import CZstd

/// Reads zstd frames, one after another, that need not tell their size.
///
/// Damage, a missing end, a larger window than allowed, and anything behind a frame that is no further frame are refused.
public final class ZstdStreamDecompressor: ByteStream {
    /// The largest window of layers that Tarn wrote: 8 MiB.
    public static let ownWindowBits = 23
    /// The largest window of uploads from other tools: 128 MiB, what `zstd` reads unless told otherwise.
    public static let foreignWindowBits = 27

    private let context: OpaquePointer?
    private let output = OutputBuffer()
    private var isBetweenFrames = false
    private let maximumWindowBits: Int

    /// Creates a decompressor for one stream with windows of up to 2^`maximumWindowBits` bytes, 10 to 27 bits.
    public init(maximumWindowBits: Int = ZstdStreamDecompressor.ownWindowBits) {
        self.context = ZSTD_createDCtx()
        self.maximumWindowBits = maximumWindowBits
        precondition(self.context != nil, "Out of memory for a zstd context.")
        ZSTD_DCtx_setParameter(self.context, ZSTD_d_windowLogMax, Int32(maximumWindowBits))
    }

    deinit { ZSTD_freeDCtx(self.context) }

    /// Decompresses the next bytes.
    public func write(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard !bytes.isEmpty else { return }
        var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        var outputIsFull = false
        while input.pos < input.size || outputIsFull {
            var piece = ZSTD_outBuffer(dst: self.output.bytes.baseAddress, size: OutputBuffer.size, pos: 0)
            let status = ZSTD_decompressStream(self.context, &piece, &input)
            guard ZSTD_isError(status) == 0 else { throw self.error(status) }
            if piece.pos > 0 { try body(self.output.first(piece.pos)) }
            self.isBetweenFrames = status == 0
            outputIsFull = piece.pos == piece.size && status != 0
        }
    }

    /// Checks that the stream ended where a frame ends.
    public func finish(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard self.isBetweenFrames else {
            throw StreamError("the zstd stream is truncated: it ends within a frame; send it again")
        }
    }

    private func error(_ status: Int) -> StreamError {
        switch ZSTD_getErrorCode(status) {
        case ZSTD_error_frameParameter_windowTooLarge:
            return StreamError(
                "the zstd stream needs a window of more than 2^\(self.maximumWindowBits) bytes; compress it without --long"
            )
        case ZSTD_error_prefix_unknown where self.isBetweenFrames:
            return StreamError("the zstd stream is followed by bytes that are no zstd")
        case ZSTD_error_dictionary_wrong:
            return StreamError("the zstd stream needs a dictionary; compress it without one")
        default:
            return StreamError("the zstd stream is damaged (\(String(cString: ZSTD_getErrorName(status))))")
        }
    }
}

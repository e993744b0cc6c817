internal import CZlib

/// Makes one gzip member of a stream; the same bytes always give the same member (no name, no time).
public final class GzipCompressor: ByteStream {
    /// The level that streams are compressed at unless told otherwise.
    public static let defaultLevel = 6

    private let state: UnsafeMutablePointer<z_stream>
    private let output = OutputBuffer()

    /// Creates a compressor for one stream at `level`, 1 to 9.
    public init(level: Int = GzipCompressor.defaultLevel) {
        self.state = .allocate(capacity: 1)
        self.state.initialize(to: z_stream())
        let status = tarn_gzip_deflate_init(self.state, Int32(level))
        precondition(status == Z_OK, "Out of memory for a zlib stream.")
    }

    deinit {
        deflateEnd(self.state)
        self.state.deallocate()
    }

    /// Compresses the next bytes; little may come out before ``finish(_:)``.
    public func write(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(1 << 30)
            try self.run(UnsafeRawBufferPointer(rebasing: piece), flush: Z_NO_FLUSH, body)
            rest = rest.dropFirst(piece.count)
        }
    }

    /// Ends the member: the rest of the data, the checksum and the size come out.
    public func finish(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try self.run(UnsafeRawBufferPointer(start: nil, count: 0), flush: Z_FINISH, body)
    }

    private func run(
        _ bytes: UnsafeRawBufferPointer,
        flush: Int32,
        _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        self.state.setInput(bytes)
        repeat {
            self.state.setOutput(self.output.bytes)
            let status = deflate(self.state, flush)
            guard status != Z_STREAM_ERROR else { throw StreamError("the gzip stream cannot be written any further") }
            let count = OutputBuffer.size - Int(self.state.pointee.avail_out)
            if count > 0 { try body(self.output.first(count)) }
        } while self.state.pointee.avail_out == 0
    }
}

/// Reads gzip members, one after another.
///
/// Damage, a missing end, and anything behind a member that is no further member are refused.
public final class GzipDecompressor: ByteStream {
    private let state: UnsafeMutablePointer<z_stream>
    private let output = OutputBuffer()
    private var isBetweenMembers = false
    private var isFirstMember = true

    /// Creates a decompressor for one stream.
    public init() {
        self.state = .allocate(capacity: 1)
        self.state.initialize(to: z_stream())
        let status = tarn_gzip_inflate_init(self.state)
        precondition(status == Z_OK, "Out of memory for a zlib stream.")
    }

    deinit {
        inflateEnd(self.state)
        self.state.deallocate()
    }

    /// Decompresses the next bytes.
    public func write(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(1 << 30)
            self.state.setInput(UnsafeRawBufferPointer(rebasing: piece))
            try self.run(body)
            rest = rest.dropFirst(piece.count)
        }
    }

    /// Checks that the stream ended where a member ends.
    public func finish(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard self.isBetweenMembers else {
            throw StreamError("the gzip stream is truncated: it ends within a member; send it again")
        }
    }

    private func run(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        // A full output buffer can hide that there is more, so input alone does not tell when to stop.
        var mayHaveMore = true
        while self.state.pointee.avail_in > 0 || mayHaveMore {
            if self.isBetweenMembers {
                guard self.state.pointee.avail_in > 0 else { return }
                inflateReset(self.state)
                self.isBetweenMembers = false
                self.isFirstMember = false
            }
            self.state.setOutput(self.output.bytes)
            let status = inflate(self.state, Z_NO_FLUSH)
            guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR else { throw self.error(status) }
            let count = OutputBuffer.size - Int(self.state.pointee.avail_out)
            if count > 0 { try body(self.output.first(count)) }
            self.isBetweenMembers = status == Z_STREAM_END
            mayHaveMore = self.state.pointee.avail_out == 0
        }
    }

    private func error(_ status: Int32) -> StreamError {
        guard status == Z_DATA_ERROR else {
            return StreamError("the gzip stream cannot be read (zlib error \(status))")
        }
        let reason = self.state.pointee.msg.map { String(cString: $0) } ?? "invalid data"
        if !self.isFirstMember, reason == "incorrect header check" {
            return StreamError("the gzip stream is followed by bytes that are no gzip")
        }
        return StreamError("the gzip stream is damaged (\(reason))")
    }
}

extension UnsafeMutablePointer<z_stream> {
    /// Points zlib at its input, which it never writes to although its field is not `const`.
    fileprivate func setInput(_ bytes: UnsafeRawBufferPointer) {
        let start = bytes.bindMemory(to: UInt8.self).baseAddress
        self.pointee.next_in = UnsafeMutablePointer<UInt8>(mutating: start)
        self.pointee.avail_in = UInt32(bytes.count)
    }

    fileprivate func setOutput(_ bytes: UnsafeMutableRawBufferPointer) {
        self.pointee.next_out = bytes.bindMemory(to: UInt8.self).baseAddress
        self.pointee.avail_out = UInt32(bytes.count)
    }
}

/// How a stream that somebody sent is compressed.
public enum CompressionFormat: Hashable, Sendable, CaseIterable {
    case gzip
    case zstd
    case plain

    /// The number of first bytes that decide.
    public static let signatureSize = 4

    /// What a stream's first bytes say; a stream that is neither gzip nor zstd is taken as plain.
    ///
    /// It takes at least ``signatureSize`` bytes, unless the stream is shorter.
    public static func detect(_ firstBytes: UnsafeRawBufferPointer) -> Self {
        if firstBytes.starts(with: [0x1f, 0x8b]) { return .gzip }
        guard firstBytes.count >= self.signatureSize else { return .plain }
        let magic = UInt32(littleEndian: firstBytes.loadUnaligned(as: UInt32.self))
        // The second range is that of skippable frames, which may stand before data.
        return magic == 0xfd2f_b528 || magic & 0xffff_fff0 == 0x184d_2a50 ? .zstd : .plain
    }
}

/// Why a compressed stream is refused.
public struct StreamError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong with which stream.
    public let description: String

    init(_ description: String) { self.description = description }
}

/// Something that turns a stream of bytes into another, piece by piece.
///
/// One stream belongs to one thread at a time. After an error it is of no more use.
public protocol ByteStream: AnyObject {
    /// Takes the next bytes and hands what they become to `body`, in pieces of at most 64 KiB.
    ///
    /// - Throws: ``StreamError``, or what `body` throws; that ends the work at once, whatever was fed.
    func write(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void) throws

    /// Ends the stream and hands what is left to `body`.
    ///
    /// - Throws: ``StreamError`` if the stream is not complete, or what `body` throws.
    func finish(_ body: (UnsafeRawBufferPointer) throws -> Void) throws
}

/// A stream that comes out as it went in.
public final class PlainStream: ByteStream {
    /// Creates a stream.
    public init() {}

    /// Hands `bytes` to `body` in pieces.
    public func write(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            try body(UnsafeRawBufferPointer(rebasing: rest.prefix(OutputBuffer.size)))
            rest = rest.dropFirst(OutputBuffer.size)
        }
    }

    /// Does nothing: a plain stream may end anywhere.
    public func finish(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {}
}

/// A decompressor that finds out the format by itself.
public final class StreamDecompressor: ByteStream {
    /// What the stream turned out to be; `nil` before its first ``CompressionFormat/signatureSize`` bytes.
    public private(set) var format: CompressionFormat?
    private let maximumWindowBits: Int
    private var firstBytes: [UInt8] = []
    private var stream: any ByteStream = PlainStream()

    /// Creates a decompressor that accepts zstd windows of up to 2^`maximumWindowBits` bytes.
    public init(maximumWindowBits: Int = ZstdStreamDecompressor.foreignWindowBits) {
        self.maximumWindowBits = maximumWindowBits
    }

    /// Decompresses the next bytes.
    public func write(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard self.format == nil else { return try self.stream.write(bytes, body) }
        self.firstBytes.append(contentsOf: bytes)
        if self.firstBytes.count >= CompressionFormat.signatureSize { try self.start(body) }
    }

    /// Ends the stream.
    public func finish(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        if self.format == nil { try self.start(body) }
        try self.stream.finish(body)
    }

    private func start(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let firstBytes = self.firstBytes
        self.firstBytes = []
        try firstBytes.withUnsafeBytes { bytes in
            let format = CompressionFormat.detect(bytes)
            switch format {
            case .gzip: self.stream = GzipDecompressor()
            case .zstd: self.stream = ZstdStreamDecompressor(maximumWindowBits: self.maximumWindowBits)
            case .plain: self.stream = PlainStream()
            }
            self.format = format
            try self.stream.write(bytes, body)
        }
    }
}

/// The memory that pieces of output are made in.
struct OutputBuffer: ~Copyable {
    static let size = 65_536

    let bytes: UnsafeMutableRawBufferPointer

    init() { self.bytes = .allocate(byteCount: Self.size, alignment: 16) }

    deinit { self.bytes.deallocate() }

    func first(_ count: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self.bytes[..<count]) }
}

internal import CLinux
internal import Glibc
public import LayerFormat
public import LayerKernels

/// Takes in a tar that somebody sends, compressed or not, and keeps it in an unlinked file.
///
/// Nothing is ever extracted: the members of the tar exist as a list only, and their bytes stay where the tar has them.
/// One spool belongs to one thread at a time; whoever drops it before ``finish()`` leaves nothing behind.
public final class TarSpool {
    private let file: SpoolFile
    private let limits: TarLimits
    private let spoolLimit: Int
    private let decompressor: StreamDecompressor
    private var size = 0

    /// Creates a spool.
    ///
    /// - Parameters:
    ///   - directory: Where the file lives while it is open; it has no name there.
    ///   - limits: What the tar may ask for.
    ///   - spoolLimit: The most bytes of the decompressed tar; the first byte more is refused.
    ///   - maximumWindowBits: The largest zstd window that is accepted.
    /// - Throws: ``TreeError`` if no file can be made in the directory.
    public init(
        directory: String,
        limits: TarLimits = TarLimits(),
        spoolLimit: Int = 64 << 30,
        maximumWindowBits: Int = ZstdStreamDecompressor.foreignWindowBits
    ) throws(TreeError) {
        self.file = try SpoolFile(directory: directory)
        self.limits = limits
        self.spoolLimit = spoolLimit
        self.decompressor = StreamDecompressor(maximumWindowBits: maximumWindowBits)
    }

    /// Takes the next bytes as they were sent.
    ///
    /// - Throws: ``TarError`` if the stream is damaged or too long, ``TreeError`` if the file cannot be written.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        try self.decompressing { try self.decompressor.write(bytes, $0) }
    }

    /// Reads the members of what was sent.
    ///
    /// - Throws: ``TarError`` if the tar is refused, ``TreeError`` if the file cannot be read or written.
    public func finish() throws -> SpooledTree {
        try self.decompressing { try self.decompressor.finish($0) }
        return try SpooledTree(file: self.file, size: self.size, limits: self.limits)
    }

    private func decompressing(_ work: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void) throws {
        do {
            try work { piece in
                guard piece.count <= self.spoolLimit - self.size else {
                    throw TarError(offset: self.size, "it has more than \(self.spoolLimit) bytes when decompressed")
                }
                try self.file.write(piece, at: self.size)
                self.size += piece.count
            }
        } catch let error as StreamError {
            throw TarError(offset: self.size, "it cannot be decompressed", cause: error)
        }
    }
}

/// A file without a name.
final class SpoolFile: Sendable {
    private let descriptor: Int32

    init(directory: String) throws(TreeError) {
        // The name is gone before the first byte is written; opening it exclusively follows no link.
        let path = "\(directory)/.tarn-spool-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        let descriptor = tarn_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0o600)
        let number = errno
        guard descriptor >= 0 else {
            throw TreeError(errno: number, "make a temporary file in", directory.utf8, remedy: "check the directory")
        }
        self.descriptor = descriptor
        unlink(path)
    }

    deinit { close(self.descriptor) }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(TreeError) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = pwrite(self.descriptor, rest.baseAddress, rest.count, offset + done)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw TreeError(errno: errno, "write", "the spooled tar".utf8) }
            done += count
        }
    }

    /// Fills `buffer` unless the file ends first.
    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(TreeError) -> Int {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = pread(self.descriptor, rest.baseAddress, rest.count, offset + done)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw TreeError(errno: errno, "read", "the spooled tar".utf8) }
            guard count > 0 else { break }
            done += count
        }
        return done
    }
}

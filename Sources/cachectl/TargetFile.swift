internal import CacheModel
internal import CommandLineKit
internal import Glibc
internal import Synchronization

/// A file that appears under its name when it is complete.
///
/// Bytes go to `NAME.partial` beside it; devices and pipes are written directly.
final class TargetFile: Sendable {
    private let path: String
    private let stagingPath: String?
    private let file: Int32
    private let written = Mutex(0)

    /// Opens the file.
    ///
    /// - Throws: ``CommandFailure`` that names it.
    init(_ path: String) throws {
        var status = stat()
        let isSpecial = stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
        self.path = path
        self.stagingPath = isSpecial ? nil : "\(path).partial"
        let flags = O_WRONLY | O_CLOEXEC | (isSpecial ? 0 : O_CREAT | O_TRUNC | O_NOFOLLOW)
        self.file = open(self.stagingPath ?? path, flags, 0o666)
        guard self.file >= 0 else {
            throw CommandFailure(.failure, "cannot write to '\(path)': \(String(cString: strerror(errno)))")
        }
    }

    /// The bytes written so far.
    var size: Int { self.written.withLock { $0 } }

    /// Writes more bytes.
    func write(_ bytes: UnsafeRawBufferPointer) throws {
        try Output.write(bytes, to: self.file, named: "'\(self.path)'")
        let count = bytes.count
        self.written.withLock { $0 += count }
    }

    /// Gives the file its name; called once, after the last byte.
    ///
    /// - Throws: ``CommandFailure`` that names the file.
    func finish() throws {
        // Some file systems tell of a full disk only here.
        let isClosed = close(self.file) == 0
        guard isClosed, self.stagingPath.map({ rename($0, self.path) == 0 }) ?? true else {
            throw CommandFailure(.failure, "cannot write to '\(self.path)': \(String(cString: strerror(errno)))")
        }
    }

    /// Removes what was written.
    func discard() {
        if let stagingPath = self.stagingPath { unlink(stagingPath) }
    }
}

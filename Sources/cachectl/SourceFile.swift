internal import Glibc

/// An open file that is uploaded.
final class SourceFile: Sendable {
    /// The open file.
    let number: Int32
    /// The number of bytes, where the system knows it.
    let size: Int?
    private let isOwned: Bool

    /// Opens a file; `-` is the standard input.
    ///
    /// - Throws: ``CommandFailure`` that names it.
    init(_ path: String) throws {
        self.isOwned = path != "-"
        self.number = self.isOwned ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO
        var status = stat()
        guard self.number >= 0, fstat(self.number, &status) == 0 else {
            throw CommandFailure(.failure, "cannot read '\(path)': \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            let remedy = "give a tar, or pipe one: tar c '\(path)' | cachectl import KEY -"
            throw CommandFailure(.usage, "'\(path)' is a folder; \(remedy)")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            self.size = nil
            return
        }
        // The standard input may have been read in part already.
        let position = lseek(self.number, 0, SEEK_CUR)
        self.size = max(0, Int(status.st_size) - Int(max(0, position)))
    }

    deinit { if self.isOwned, self.number >= 0 { close(self.number) } }
}

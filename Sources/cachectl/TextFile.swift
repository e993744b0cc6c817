internal import CacheModel
internal import Glibc

/// A text file that is read as a whole.
enum TextFile {
    /// The most bytes read.
    private static let limit = 4 * 1_048_576

    /// Reads a file; `-` is the standard input.
    ///
    /// - Throws: ``CommandFailure`` that names the file.
    static func read(_ path: String) throws -> String {
        let file = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw Self.failure(path) }
        defer { if path != "-" { close(file) } }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Self.failure(path) }
            guard count > 0 else { break }
            bytes += buffer[..<count]
            guard bytes.count <= Self.limit else {
                throw CommandFailure(.failure, "'\(path)' has more than \(Quantity.describe(bytes: Self.limit))")
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure(.failure, "'\(path)' is not UTF-8 text")
        }
        return text
    }

    private static func failure(_ path: String) -> CommandFailure {
        CommandFailure(.failure, "cannot read '\(path)': \(String(cString: strerror(errno)))")
    }
}

internal import CacheModel
internal import Glibc
internal import NativeAPI

/// Writes what a command has to say to the standard output.
package struct Output: Sendable {
    /// The reader of a pipe went away, as `head` does; nothing is wrong.
    package struct Closed: Error {}

    /// Where the output goes.
    package let terminal: OutputTerminal

    /// Creates an output to the standard output.
    package init(terminal: OutputTerminal = .standardOutput()) { self.terminal = terminal }

    /// Prints one line.
    ///
    /// - Throws: ``Closed`` or ``CacheModel/CacheError``.
    package func line(_ text: String) throws { try self.lines([text]) }

    /// Prints lines.
    ///
    /// - Throws: ``Closed`` or ``CacheModel/CacheError``.
    package func lines(_ lines: [String]) throws {
        var bytes: [UInt8] = []
        for line in lines {
            bytes.append(contentsOf: line.utf8)
            bytes.append(UInt8(ascii: "\n"))
        }
        try self.bytes(bytes)
    }

    /// Prints a table.
    ///
    /// - Throws: ``Closed`` or ``CacheModel/CacheError``.
    package func table(_ table: OutputTable) throws { try self.lines(table.lines(on: self.terminal)) }

    /// Prints one JSON document on one line.
    ///
    /// - Throws: ``Closed`` or ``CacheModel/CacheError``.
    package func json(_ document: some Encodable) throws {
        try self.bytes(try NativeJSON.encode(document) + [UInt8(ascii: "\n")])
    }

    /// Prints bytes as they are.
    ///
    /// - Throws: ``Closed`` or ``CacheModel/CacheError``.
    package func bytes(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try Self.write($0, to: STDOUT_FILENO, named: "the standard output") }
    }

    /// Writes all bytes to an open file.
    ///
    /// - Throws: ``Closed`` if it is a pipe that nobody reads any more, otherwise ``CacheModel/CacheError``.
    package static func write(_ bytes: UnsafeRawBufferPointer, to file: Int32, named name: String) throws {
        var done = 0
        while done < bytes.count {
            let count = Glibc.write(file, bytes.baseAddress.map { $0 + done }, bytes.count - done)
            if count >= 0 {
                done += count
                continue
            }
            switch errno {
            case EINTR: continue
            case EPIPE: throw Closed()
            case EAGAIN:
                var wait = pollfd(fd: file, events: Int16(POLLOUT), revents: 0)
                poll(&wait, 1, -1)
            case ENOSPC, EDQUOT:
                throw CacheError(.quotaExceeded, "cannot write to \(name): the disk is full; make room and repeat")
            default:
                throw CacheError(.invalidRequest, "cannot write to \(name): \(String(cString: strerror(errno)))")
            }
        }
    }
}

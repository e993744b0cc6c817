@preconcurrency internal import Glibc
internal import CacheModel

/// What the process was started with.
package enum ProcessFacts {
    /// The environment; of a name that is there twice the first counts, as it does for `getenv`.
    package static func environment() -> [String: String] {
        var variables: [String: String] = [:]
        var next = environ
        while let text = next.pointee.map({ String(cString: $0) }) {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2, variables[String(parts[0])] == nil { variables[String(parts[0])] = String(parts[1]) }
            next += 1
        }
        return variables
    }

    /// The absolute folder that the process runs in.
    ///
    /// - Throws: ``CacheModel/CacheError`` if it was deleted meanwhile.
    package static func workingDirectory() throws -> String {
        guard let path = getcwd(nil, 0) else {
            throw CacheError(.invalidRequest, "the working directory is gone: \(String(cString: strerror(errno)))")
        }
        defer { free(path) }
        return String(cString: path)
    }

    /// The name of this machine, if it has one.
    package static func hostName() -> String? {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return nil }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Reads a small text file; `nil` if there is none.
    ///
    /// - Throws: ``CacheModel/CacheError`` if it is there but cannot be read, or is larger than `limit` bytes.
    package static func readText(_ path: String, limit: Int = 1 << 20) throws -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw CacheError(.invalidRequest, "cannot read \(path): \(String(cString: strerror(errno)))")
        }
        defer { close(file) }
        return try Self.readText(file, named: path, limit: limit)
    }

    /// Reads an open file to its end.
    ///
    /// - Throws: ``CacheModel/CacheError``.
    package static func readText(_ file: Int32, named name: String, limit: Int = 1 << 20) throws -> String {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(file, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw CacheError(.invalidRequest, "cannot read \(name): \(String(cString: strerror(errno)))")
            }
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += piece[..<count]
            guard bytes.count <= limit else {
                throw CacheError(.invalidRequest, "\(name) has more than \(limit) bytes")
            }
        }
    }
}

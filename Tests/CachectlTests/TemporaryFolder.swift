import Glibc
import Testing

/// A folder of its own for one test, removed with everything in it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/cachectl-tests-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { buffer in buffer.baseAddress.flatMap { mkdtemp($0) } }
        self.path = String(cString: try #require(made))
    }

    deinit { _ = try? ChildOutput.of(["/bin/rm", "-rf", self.path]) }

    /// Writes a file, creating its folders.
    func write(_ text: String, to name: String) throws {
        let file = "\(self.path)/\(name)"
        let folder = String(file[..<(file.lastIndex(of: "/") ?? file.startIndex)])
        _ = try ChildOutput.of(["/bin/mkdir", "-p", folder])
        let stream = try #require(fopen(file, "w"))
        defer { fclose(stream) }
        fputs(text, stream)
    }
}

/// Runs a program and reads what it prints.
enum ChildOutput {
    static func of(_ command: [String]) throws -> String {
        let line = command.map { "'\($0)'" }.joined(separator: " ")
        let pipe = try #require(popen(line, "r"))
        var bytes: [UInt8] = []
        while case let byte = fgetc(pipe), byte != EOF { bytes.append(UInt8(byte)) }
        try #require(pclose(pipe) == 0, "'\(line)' failed")
        return String(decoding: bytes, as: UTF8.self)
    }
}

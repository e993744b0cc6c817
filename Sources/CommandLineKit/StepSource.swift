internal import CacheModel
internal import Glibc
package import JobContext

/// Where a CircleCI step comes from that was pasted for a command.
package enum StepSource {
    /// Reads a step from a file, from standard input with `-`, or from a standard input that is no terminal.
    ///
    /// - Parameters:
    ///   - path: What `--step` says, if it was given.
    ///   - kind: Which step the command carries out.
    ///   - hasKeys: Whether keys came as flags; standard input is then left alone.
    /// - Returns: `nil` if there is no step.
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` that names the file and line.
    package static func read(_ path: String?, kind: CacheStep.Kind, hasKeys: Bool) throws -> CacheStep? {
        let text: String
        let name: String
        if let path, path != "-" {
            guard let content = try ProcessFacts.readText(path) else {
                throw CacheError(.invalidRequest, "there is no step file \(path)")
            }
            (text, name) = (content, path)
        } else {
            guard path == "-" || (!hasKeys && self.inputIsPipeOrFile) else { return nil }
            (text, name) = (try ProcessFacts.readText(STDIN_FILENO, named: "the standard input"), "the standard input")
            if path == nil, text.allSatisfy(\.isWhitespace) { return nil }
        }
        do {
            return try CacheStep.parse(text, expecting: kind)
        } catch {
            throw CacheError(.invalidRequest, "\(name), \(error)")
        }
    }

    /// Anything else, such as `/dev/null` or a terminal, holds no step, and might never end.
    private static var inputIsPipeOrFile: Bool {
        var status = stat()
        guard fstat(STDIN_FILENO, &status) == 0 else { return false }
        return [S_IFIFO, S_IFREG].contains(status.st_mode & S_IFMT)
    }
}

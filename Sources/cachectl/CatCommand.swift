internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import Glibc

/// `cachectl cat`.
struct CatCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "cat",
        abstract: "Print one file of an entry.",
        discussion: """
            PATH is as 'cachectl show --members' prints it, or relative to the saved path. Of a layer only the bytes \
            of the file are fetched. With --json the document tells the file's size and text.

            Examples:
              cachectl cat deps1-main-k3v9 venv/pyvenv.cfg
              cachectl cat deps1-main-k3v9 pyvenv.cfg
            """
    )

    @Argument(help: "The entry's key.")
    var key: String

    @Argument(help: "The file's path.")
    var path: String

    @OptionGroup var options: ServerOptions

    func run(with session: Session) async throws {
        let entry = try await session.server.entry(try CacheKey(self.key))
        for candidate in LayerLookup.candidates(for: self.path, in: entry) {
            do {
                return try await self.print(entry.key, candidate.layer, candidate.path, session)
            } catch let error as CacheError where error.code == .notFound {
                continue
            }
        }
        throw CommandFailure(
            .notFound,
            "entry '\(entry.key)' has no file '\(self.path)'; 'cachectl show --members' lists its files"
        )
    }

    /// A file that is not there fails before its first byte, so that the next layer can be tried.
    private func print(_ key: CacheKey, _ layer: Int, _ path: String, _ session: Session) async throws {
        guard session.wantsJSON else {
            return try await session.server.download(.file(key, layer: layer, path: path)) { bytes in
                try Output.write(bytes, to: STDOUT_FILENO, named: "the standard output")
            }
        }
        let content = Collected()
        try await session.server.download(.file(key, layer: layer, path: path)) { try content.add($0) }
        let text = String(validating: content.bytes, as: UTF8.self)
        try session.output.json(Document(key: key, layer: layer, path: path, size: content.bytes.count, text: text))
    }

    private struct Document: Encodable {
        var key: CacheKey
        var layer: Int
        var path: String
        var size: Int
        /// Absent if the file is not UTF-8.
        var text: String?
    }
}

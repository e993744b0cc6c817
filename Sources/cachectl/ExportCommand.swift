internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import Glibc

/// `cachectl export`.
struct ExportCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write an entry's layer to a tar file.",
        discussion: """
            The file's suffix says how it is compressed: .tar.zst, .tar.gz or .tar; '-' is the standard output, \
            uncompressed unless --format says otherwise. An entry with several layers needs --layer. The file appears \
            complete or not at all.

            Examples:
              cachectl export deps1-main-k3v9 venv.tar.zst
              cachectl export deps1-main-k3v9 - | tar x
              cachectl export --layer 1 deps1-main-k3v9 tools.tar.gz
            """
    )

    @Argument(help: "The entry's key.")
    var key: String

    @Argument(help: "The file to write; '-' is the standard output.")
    var file: String

    @Option(help: ArgumentHelp("Which layer, from 0; 'cachectl show' lists them.", valueName: "number"))
    var layer: Int?

    @Option(help: "tar.zst, tar.gz or tar, whatever the suffix says.")
    var format: TarForm?

    @Flag(help: "The stored bytes: all times and .pyc stamps 0, the same for the same content.")
    var canonical = false

    @OptionGroup var options: ServerOptions

    func validate() throws {
        guard self.form != nil else {
            throw ValidationError("'\(self.file)' ends in none of .tar.zst, .tar.gz and .tar; add --format")
        }
        if self.file == "-", self.options.json {
            throw ValidationError("--json and the tar would both go to the standard output; give a file")
        }
    }

    private var form: TarForm? { self.format ?? (self.file == "-" ? .tar : TarForm(suffixOf: self.file)) }

    func run(with session: Session) async throws {
        guard let form = self.form else { throw CommandFailure(.usage, "the form of the tar is not known") }
        if self.file == "-", session.output.terminal.isTerminal {
            throw CommandFailure(.usage, "a tar is nothing for a terminal; name a file, or pipe it into tar")
        }
        let entry = try await session.server.entry(try CacheKey(self.key))
        let index = try self.index(in: entry)
        let source = Download.layer(entry.key, layer: index, form: form, isCanonical: self.canonical)
        guard self.file != "-" else {
            do {
                return try await session.server.download(source) {
                    try Output.write($0, to: STDOUT_FILENO, named: "the standard output")
                }
            } catch is Output.Closed {
                throw CommandFailure(.failure, "whoever read the tar stopped before its end")
            }
        }
        let target = try TargetFile(self.file)
        do {
            try await session.server.download(source) { try target.write($0) }
            try target.finish()
        } catch {
            target.discard()
            throw error
        }
        try self.tell(entry, index, size: target.size, session)
    }

    private func tell(_ entry: Entry, _ index: Int, size: Int, _ session: Session) throws {
        if session.wantsJSON {
            let document = Document(key: entry.key, layer: index, file: self.file, size: size)
            return try session.output.json(document)
        }
        let text = "wrote layer \(index) ('\(entry.layers[index].path)') of '\(entry.key)' to \(self.file)"
        try session.output.line(OutputText.escaped("\(text): \(Quantity.describe(bytes: size))"))
    }

    private func index(in entry: Entry) throws -> Int {
        let paths = entry.layers.enumerated().map { "\($0.offset) '\($0.element.path)'" }.joined(separator: ", ")
        guard let layer = self.layer else {
            guard entry.layers.count == 1 else {
                throw CommandFailure(.usage, "entry '\(entry.key)' has the layers \(paths); say which with --layer")
            }
            return 0
        }
        guard entry.layers.indices.contains(layer) else {
            throw CommandFailure(.usage, "entry '\(entry.key)' has no layer \(layer), only \(paths)")
        }
        return layer
    }

    private struct Document: Encodable {
        var key: CacheKey
        var layer: Int
        var file: String
        /// Bytes of the file.
        var size: Int
    }
}

internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import NativeAPI

/// `cachectl import`.
struct ImportCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make an entry of a tar file.",
        discussion: """
            The tar may be compressed with zstd or gzip, or not at all; its content tells. It becomes an entry with \
            one layer. The bytes are streamed, so the tar may be larger than the memory.

            Examples:
              cachectl import toolchain-1.2 toolchain.tar.gz --path toolchain
              tar c venv | cachectl import deps-handmade - --path venv --ttl 30d

            Exit status: 0 if it was saved, or if the key had the same content already; 1 if the key has other \
            content and --replace is not given.
            """
    )

    @Argument(help: "The key to save under.")
    var key: String

    @Argument(help: "The tar; '-' is the standard input.")
    var file: String

    @Option(
        help: ArgumentHelp(
            "The path of the layer, below --anchor; the one name at the top of the tar if left out.",
            valueName: "path"
        )
    )
    var path: String?

    @Option(help: ArgumentHelp("What the path is relative to: workdir, home or root.", valueName: "anchor"))
    var anchor = "workdir"

    @Option(help: ArgumentHelp("Let the entry expire after this time, such as 7d or 12h.", valueName: "duration"))
    var ttl: String?

    @Flag(help: "Put the entry in the place of one that has the key.")
    var replace = false

    @OptionGroup var options: ServerOptions

    func validate() throws {
        if Anchor(rawValue: self.anchor) == nil {
            throw ValidationError("--anchor is '\(self.anchor)'; give workdir, home or root")
        }
        if let ttl, Quantity.duration(ttl) == nil {
            throw ValidationError("--ttl is '\(ttl)'; give a time with its unit, such as 7d or 12h")
        }
    }

    func run(with session: Session) async throws {
        let source = try SourceFile(self.file)
        let upload = TarImport(
            key: try CacheKey(self.key),
            path: self.path,
            anchor: Anchor(rawValue: self.anchor) ?? .workdir,
            timeToLive: self.ttl,
            replaces: self.replace
        )
        let result = try await session.server.importTar(upload, from: source)
        if session.wantsJSON {
            try session.output.json(result)
        } else {
            try session.output.line(OutputText.escaped(Self.text(for: result)))
        }
        if result.outcome == .exists, !result.isSameContent { throw CommandFailure(.failure) }
    }

    private static func text(for result: CommitResponse) -> String {
        let size = Quantity.describe(bytes: result.entry.size)
        let members = result.entry.layers.reduce(0) { $0 + $1.memberCount }
        switch (result.outcome, result.isSameContent) {
        case (.saved, _):
            return "saved '\(result.entry.key)': \(size), \(OutputText.count(members, "member", "members"))"
        case (.exists, true): return "'\(result.entry.key)' exists already, with the same content"
        case (.exists, false):
            return "'\(result.entry.key)' exists already with other content; add --replace, or use another key"
        }
    }
}

internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import NativeAPI

/// `cachectl ls`.
struct ListCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "List entries, newest first.",
        discussion: """
            SAVED and USED are ages. STATE tells what is pinned, expires, or is gone and why.

            Examples:
              cachectl ls
              cachectl ls deps1-main-
              cachectl ls --removed                what is gone, and can perhaps be brought back
              cachectl ls --json | jq -r '.entries[].key'
            """
    )

    @Argument(help: "Only keys that start with this; a '*' at its end may be left out.")
    var prefix: String?

    @Flag(help: "List entries that are gone as well.")
    var removed = false

    @Flag(help: "List the entries of all projects of the server.")
    var allProjects = false

    @Option(help: ArgumentHelp("List no more than this many entries.", valueName: "count"))
    var limit: Int?

    @OptionGroup var options: ServerOptions

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit is \(limit); give a number from 1 on") }
    }

    func run(with session: Session) async throws {
        let query = EntryQuery(
            prefix: self.prefix.flatMap(Self.prefixText),
            includesRemoved: self.removed,
            allProjects: self.allProjects,
            limit: self.limit
        )
        let entries = try await session.server.allEntries(query)
        if session.wantsJSON { return try session.output.json(EntriesResponse(entries: entries)) }
        guard !entries.isEmpty else {
            if session.output.terminal.isTerminal { try session.output.line(self.nothing(session)) }
            return
        }
        try session.output.table(EntryText.table(of: entries, withProjects: self.allProjects, at: session.now))
        guard session.output.terminal.isTerminal else { return }
        let size = Quantity.describe(bytes: entries.reduce(0) { $0 + $1.size })
        try session.output.line("\(OutputText.count(entries.count, "entry", "entries")), \(size) before deduplication")
    }

    private func nothing(_ session: Session) -> String {
        let place = self.allProjects ? "the server" : "project \(session.server.project)"
        guard let prefix = self.prefix.flatMap(Self.prefixText) else { return "\(place) has no entries" }
        return "\(place) has no entries whose keys start with '\(OutputText.escaped(prefix))'"
    }

    private static func prefixText(_ text: String) -> String? {
        let prefix = text.hasSuffix("*") ? String(text.dropLast()) : text
        return prefix.isEmpty ? nil : prefix
    }
}

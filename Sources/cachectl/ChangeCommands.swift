internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import NativeAPI

/// `cachectl rm`.
struct RemoveCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Remove entries, or bring them back.",
        discussion: """
            Removed entries can be brought back with --undo until the time that is told. Nothing is asked, so try a \
            prefix with --dry-run first.

            Examples:
              cachectl rm deps1-main-k3v9
              cachectl rm --dry-run 'pr-42-*'
              cachectl rm --undo 'pr-42-*'
              cachectl rm --all '*'                everything of the project
            """
    )

    @Argument(help: "Keys; a '*' at the end makes one a prefix.")
    var keys: [String]

    @Flag(name: [.long, .customShort("n")], help: "Only tell what would be done.")
    var dryRun = false

    @Flag(help: "Bring removed entries back.")
    var undo = false

    @Flag(help: "Allow a bare '*', which means every entry of the project.")
    var all = false

    @OptionGroup var options: ServerOptions

    func run(with session: Session) async throws {
        let patterns = try self.keys.map { try KeyArgument($0) }
        guard self.all || !patterns.contains(.everything) else {
            throw CommandFailure(.usage, "'*' means every entry of the project; add --all if that is what you want")
        }
        let change = EntryChanges(action: self.undo ? .restore : .remove, isDryRun: self.dryRun)
        try await change.run(patterns, with: session)
    }
}

/// `cachectl pin`.
struct PinCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin",
        abstract: "Keep entries from being evicted.",
        discussion: """
            A pinned entry is neither evicted nor does its time to live end; rm still removes it.

            Examples:
              cachectl pin release-2.4-deps
              cachectl pin 'release-*' --dry-run
            """
    )

    @Argument(help: "Keys; a '*' at the end makes one a prefix.")
    var keys: [String]

    @Flag(name: [.long, .customShort("n")], help: "Only tell what would be done.")
    var dryRun = false

    @OptionGroup var options: ServerOptions

    func run(with session: Session) async throws {
        let change = EntryChanges(action: .pin, isDryRun: self.dryRun)
        try await change.run(try self.keys.map { try KeyArgument($0) }, with: session)
    }
}

/// `cachectl unpin`.
struct UnpinCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "unpin",
        abstract: "Let entries be evicted again.",
        discussion: """
            Examples:
              cachectl unpin release-2.4-deps
              cachectl unpin 'release-*'
            """
    )

    @Argument(help: "Keys; a '*' at the end makes one a prefix.")
    var keys: [String]

    @Flag(name: [.long, .customShort("n")], help: "Only tell what would be done.")
    var dryRun = false

    @OptionGroup var options: ServerOptions

    func run(with session: Session) async throws {
        let change = EntryChanges(action: .unpin, isDryRun: self.dryRun)
        try await change.run(try self.keys.map { try KeyArgument($0) }, with: session)
    }
}

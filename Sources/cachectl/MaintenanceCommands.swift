internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import NativeAPI

/// `cachectl gc`.
struct CollectCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Let the server evict what is over its budget and delete bytes that nothing refers to.",
        discussion: """
            The server does this by itself from time to time; saves and restores go on meanwhile.

            Examples:
              cachectl gc --dry-run
              cachectl gc
            """
    )

    @Flag(name: [.long, .customShort("n")], help: "Only tell what would go.")
    var dryRun = false

    @OptionGroup var options: ServerOptions

    func run(with session: Session) async throws {
        let result = try await session.server.collect(CollectRequest(isDryRun: self.dryRun ? true : nil))
        if session.wantsJSON { return try session.output.json(result) }
        let would = self.dryRun ? "would be " : ""
        let entries = OutputText.count(result.removedEntries, "entry", "entries")
        let blobs = OutputText.count(result.deletedBlobs, "blob", "blobs")
        let freed = Quantity.describe(bytes: result.freedBytes)
        let left = Quantity.describe(bytes: result.storedBytes)
        try session.output.line("\(entries) \(would)removed, \(blobs) \(would)deleted, \(freed) \(would)freed")
        try session.output.line("\(left) \(self.dryRun ? "are stored now" : "are left")")
    }
}

/// `cachectl fsck`.
struct CheckCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "fsck",
        abstract: "Check the store for missing, damaged and stray bytes.",
        discussion: """
            The check runs in the server. If the server is stopped, --data names its folder, and tarnd checks it \
            (the tarnd beside this program, or the one in PATH).

            Examples:
              cachectl fsck                        every blob is there and has its size
              cachectl fsck --read-data            read all of it and compare digests
              cachectl fsck --read-data --subset 3/7   the third of seven nightly parts
              cachectl fsck --read-data --repair
              cachectl fsck --data /var/lib/tarn

            Each problem names what it breaks (I1 to I8 in docs/OPERATIONS.md).

            Exit status: 0 if nothing is wrong, 1 if all that was wrong is repaired, 2 if problems are left.
            """
    )

    @Flag(help: "Read every blob and compare it with its digest.")
    var readData = false

    @Flag(help: "Take damaged blobs out of use and remove strays.")
    var repair = false

    @Option(help: ArgumentHelp("Look at one part of the blobs only: part n of t.", valueName: "n/t"))
    var subset: String?

    @Option(help: ArgumentHelp("The data folder of a server that is stopped.", valueName: "folder"))
    var data: String?

    @OptionGroup var options: ServerOptions

    mutating func run() async throws {
        if let data = self.data {
            let flags = [(self.readData, "--read-data"), (self.repair, "--repair"), (self.options.json, "--json")]
            try SiblingProgram("tarnd").replaceProcess(
                arguments: ["check", "--data", data] + flags.compactMap { $0.0 ? $0.1 : nil }
                    + (self.subset.map { ["--subset", $0] } ?? [])
            )
        }
        try await self.options.withSession { try await self.run(with: $0) }
    }

    func run(with session: Session) async throws {
        let request = CheckRequest(
            readData: self.readData ? true : nil,
            repair: self.repair ? true : nil,
            subset: self.subset
        )
        let result = try await session.server.check(request)
        let left = result.problems.count - min(result.repaired, result.problems.count)
        if session.wantsJSON {
            try session.output.json(result)
        } else {
            let blobs = OutputText.count(result.checkedBlobs, "blob", "blobs")
            try session.output.lines(result.problems.map { OutputText.escaped($0) })
            try session.output.line("\(blobs) checked (\(Quantity.describe(bytes: result.checkedBytes)))")
            try session.output.line(Self.verdict(problems: result.problems.count, repaired: result.repaired))
        }
        if !result.problems.isEmpty { throw CommandFailure(left > 0 ? .damage : .repaired) }
    }

    static func verdict(problems: Int, repaired: Int) -> String {
        guard problems > 0 else { return "no problems" }
        let found = OutputText.count(problems, "problem", "problems")
        if repaired >= problems { return "\(found), all repaired" }
        return repaired > 0 ? "\(found), \(repaired) repaired" : "\(found); --repair repairs what can be repaired"
    }
}

internal import ArgumentParser
internal import CacheClient
internal import CacheModel
internal import CommandLineKit
internal import LayerFiles
internal import LayerFormat

/// `cachectl hash`.
struct HashCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hash",
        abstract: "Print the tree digest of a file or folder.",
        discussion: """
            The tree digest is what 'cachectl show' prints for a layer: the same content gives the same digest on any \
            machine, whatever the times. It is the SHA-256 of the line 'tarn-tree-1' and one record for each member, \
            folders first by path, then everything else by extension and path:

              d MODE PATH                  a folder
              f MODE SIZE DIGEST PATH      a file; the digest is that of its content, for a timestamp-based .pyc \
            with bytes 8 to 11 zero
              l PATH TARGET                a symbolic link
              h PATH TARGET                a hard link to an earlier file

            Paths are relative to the working directory (or to ~, or to /). With --files the records are printed one a \
            line, made safe for a terminal; with --zero exactly, each path and target ending in a zero byte, so that

              cachectl hash --zero venv | sha256sum

            prints the tree digest. No server is asked.

            Examples:
              cachectl hash venv
              cachectl hash --files venv | grep django
            """
    )

    @Argument(help: "The file or folder.")
    var path: String

    @Flag(help: "List the records, one a line, instead of the digest.")
    var files = false

    @Flag(help: "Print the exact bytes that are hashed.")
    var zero = false

    @Flag(help: "Skip devices, sockets and pipes instead of failing.")
    var skipSpecial = false

    @Flag(help: "Read every file, also those that look as they did at the last save or hash.")
    var fresh = false

    @Flag(help: "Print one JSON document; with --files it has the members.")
    var json = false

    func run() async throws {
        guard !self.path.isEmpty else { throw CommandFailure(.usage, "the path is empty") }
        let environment = ProcessFacts.environment()
        let home = environment["HOME"] ?? "/"
        let places = Places(workdir: try ProcessFacts.workingDirectory(), home: home)
        let place = places.locate(self.path)
        let tree = try TreeScanner.scan(
            anchor: places.folder(of: place.anchor),
            path: place.path,
            options: .init(skipsSpecialFiles: self.skipSpecial),
            remembering: self.fresh ? nil : CacheFolder.prepare(environment: environment, home: home)
        )
        for warning in tree.warnings { Messages.warn(warning) }
        let listing = LayerListing(members: tree.members, contentDigests: tree.contentDigests)
        let output = Output()
        if self.json {
            let files = self.files ? Self.documents(listing) : nil
            let document = Document(
                path: self.path,
                treeDigest: tree.treeDigest,
                members: tree.members.count,
                files: files
            )
            return try output.json(document)
        }
        guard self.zero || self.files else { return try output.line("\(tree.treeDigest)") }
        if self.zero { try output.bytes(TreeRecords.heading) }
        for batch in stride(from: 0, to: tree.members.count, by: 1_024) {
            try self.print(listing, batch..<min(batch + 1_024, tree.members.count), to: output)
        }
    }

    private func print(_ listing: LayerListing, _ indices: Range<Int>, to output: Output) throws {
        guard self.zero else {
            return try output.lines(
                indices.map { TreeRecords.line(of: listing.members[$0], digest: listing.contentDigest(at: $0)) }
            )
        }
        let records = indices.map {
            TreeRecords.record(of: listing.members[$0], digest: listing.contentDigest(at: $0))
        }
        try output.bytes(Array(records.joined()))
    }

    private static func documents(_ listing: LayerListing) -> [MemberDocument] {
        listing.members.indices.map { MemberDocument(listing.members[$0], digest: listing.contentDigest(at: $0)) }
    }

    private struct Document: Encodable {
        var path: String
        var treeDigest: Digest
        var members: Int
        var files: [MemberDocument]?
    }
}

internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import LayerFormat

/// `cachectl show`.
struct ShowCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one entry: layers, sizes, where it came from, pins and age.",
        discussion: """
            With --members every file of every layer is listed as in 'cachectl hash --files'.

            Examples:
              cachectl show deps1-main-k3v9
              cachectl show --members deps1-main-k3v9 | grep site-packages/django/__init__
              cachectl show --json deps1-main-k3v9 | jq -r '.entry.layers[].treeDigest'
            """
    )

    @Argument(help: "The entry's key.")
    var key: String

    @Flag(help: "List the members of its layers.")
    var members = false

    @OptionGroup var options: ServerOptions

    func run(with session: Session) async throws {
        let entry = try await session.server.entry(try CacheKey(self.key))
        var listings: [LayerListing] = []
        if self.members {
            for layer in entry.layers { listings.append(try await session.server.listing(of: layer)) }
        }
        if session.wantsJSON {
            let members = self.members ? listings.map(Self.documents) : nil
            return try session.output.json(Document(entry: entry, members: members))
        }
        try session.output.table(EntryText.details(of: entry, at: session.now))
        try session.output.line("")
        try session.output.table(EntryText.layers(of: entry))
        for listing in listings {
            try session.output.line("")
            try session.output.lines(
                listing.members.indices.map {
                    TreeRecords.line(of: listing.members[$0], digest: listing.contentDigest(at: $0))
                }
            )
        }
    }

    private static func documents(_ listing: LayerListing) -> [MemberDocument] {
        listing.members.indices.map { MemberDocument(listing.members[$0], digest: listing.contentDigest(at: $0)) }
    }

    private struct Document: Encodable {
        var entry: Entry
        var members: [[MemberDocument]]?
    }
}

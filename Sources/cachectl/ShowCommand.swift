internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import LayerFormat
internal import Signatures

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
              cachectl show --server-key tarn-pk1-… deps1-main-k3v9

            Who saved it says the server's receipt, which is checked with the key that the server tells, or with the one \
            that --server-key names. Exit status: 1 if the receipt or the entry's signature is wrong.
            """
    )

    @Argument(help: "The entry's key.")
    var key: String

    @Flag(help: "List the members of its layers.")
    var members = false

    @Option(help: ArgumentHelp("The server's public key, as it was noted earlier.", valueName: "key"))
    var serverKey: String?

    @OptionGroup var options: ServerOptions

    func validate() throws {
        do {
            _ = try self.serverKey.map { try VerificationKey(text: $0) }
        } catch {
            throw ValidationError("\(error)")
        }
    }

    func run(with session: Session) async throws {
        let entry = try await session.server.entry(try CacheKey(self.key))
        let pinned = try self.serverKey.map { try VerificationKey(text: $0) }
        let origin = try await Origin(of: entry, from: session.server, pinned: pinned)
        try await self.show(entry, origin, session)
        if origin.isReceiptRight == false || origin.isSignatureRight == false { throw CommandFailure(.failure) }
    }

    private func show(_ entry: Entry, _ origin: Origin, _ session: Session) async throws {
        var listings: [LayerListing] = []
        if self.members {
            for layer in entry.layers { listings.append(try await session.server.listing(of: layer)) }
        }
        if session.wantsJSON {
            let members = self.members ? listings.map(Self.documents) : nil
            return try session.output.json(Document(entry: entry, origin: origin, members: members))
        }
        try session.output.table(EntryText.details(of: entry, origin.details(of: entry), at: session.now))
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
        var origin: Origin
        var members: [[MemberDocument]]?
    }
}

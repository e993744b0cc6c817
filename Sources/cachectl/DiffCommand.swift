internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import LayerFormat

/// `cachectl diff`.
struct DiffCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Compare the files of two entries.",
        discussion: """
            Each differing path is one line: '+' added, '-' removed, '~' changed and how. Layers are compared by \
            their path. Times and .pyc stamps are no difference. Only the lists of files are fetched, not the files.

            Examples:
              cachectl diff deps1-main-k3v9 deps1-main-x7aa
              cachectl diff --json deps1-main-k3v9 deps1-main-x7aa | jq '.changes[] | select(.kind == "added").member.path'
            """
    )

    @Argument(help: "The key to compare with.")
    var before: String

    @Argument(help: "The key whose differences are told.")
    var after: String

    @OptionGroup var options: ServerOptions

    func run(with session: Session) async throws {
        let before = try await session.server.entry(try CacheKey(self.before))
        let after = try await session.server.entry(try CacheKey(self.after))
        let differences = try await Self.pairs(before, after).asyncMap { old, new in
            try await Self.compare(old, new, session.server)
        }
        if session.wantsJSON { return try session.output.json(Document(before.key, after.key, differences)) }
        for change in differences.flatMap(\.changes) { try session.output.line(Self.line(for: change)) }
        try session.output.line(Self.summary(of: differences))
    }

    /// The layers with the same path side by side.
    private static func pairs(_ before: Entry, _ after: Entry) -> [(Layer?, Layer?)] {
        func matches(_ first: Layer, _ second: Layer) -> Bool {
            first.path == second.path && first.anchor == second.anchor
        }
        let olds = before.layers.map { old in (Layer?(old), after.layers.first { matches(old, $0) }) }
        let news = after.layers.filter { new in !before.layers.contains { matches($0, new) } }
        return olds + news.map { (nil, $0) }
    }

    private static func compare(_ old: Layer?, _ new: Layer?, _ server: Server) async throws -> LayerDifference {
        // The same tree digest means the same content: nothing has to be fetched.
        if let old, let new, old.treeDigest == new.treeDigest { return LayerDifference(from: .empty, to: .empty) }
        var listings: [LayerListing] = []
        for layer in [old, new] {
            if let layer { listings.append(try await server.listing(of: layer)) } else { listings.append(.empty) }
        }
        return LayerDifference(from: listings[0], to: listings[1])
    }

    private static func line(for change: LayerDifference.Change) -> String {
        let path = change.member.displayPath + (change.member.kind == .directory ? "/" : "")
        return switch change.kind {
        case .added: "+ \(path)"
        case .removed: "- \(path)"
        case .changed: "~ \(path)  (\(change.details.joined(separator: ", ")))"
        }
    }

    private static func summary(of differences: [LayerDifference]) -> String {
        func count(_ kind: LayerDifference.Change.Kind) -> Int { differences.reduce(0) { $0 + $1.count(of: kind) } }
        let growth = differences.reduce(0) { $0 + $1.growth }
        let size = "\(growth < 0 ? "-" : "+")\(Quantity.describe(bytes: abs(growth)))"
        let counts = "\(count(.added)) added, \(count(.removed)) removed, \(count(.changed)) changed"
        return differences.allSatisfy(\.changes.isEmpty) ? "no differences" : "\(counts), \(size)"
    }

    private struct Document: Encodable {
        struct Change: Encodable {
            var kind: String
            var member: MemberDocument
            var details: [String]
        }

        var before: CacheKey
        var after: CacheKey
        var added: Int
        var removed: Int
        var changed: Int
        /// How many bytes of content came.
        var growth: Int
        var changes: [Change]

        init(_ before: CacheKey, _ after: CacheKey, _ differences: [LayerDifference]) {
            self.before = before
            self.after = after
            self.added = differences.reduce(0) { $0 + $1.count(of: .added) }
            self.removed = differences.reduce(0) { $0 + $1.count(of: .removed) }
            self.changed = differences.reduce(0) { $0 + $1.count(of: .changed) }
            self.growth = differences.reduce(0) { $0 + $1.growth }
            self.changes = differences.flatMap(\.changes).map { change in
                let member = MemberDocument(change.member, digest: nil)
                return Change(kind: change.kind.rawValue, member: member, details: change.details)
            }
        }
    }
}

extension Array {
    /// Maps one element after another.
    fileprivate func asyncMap<Result>(_ transform: (Element) async throws -> Result) async throws -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}

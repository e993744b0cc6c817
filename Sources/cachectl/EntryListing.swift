internal import CacheModel
internal import LayerFormat

/// The members of one layer and the digests of its files.
struct LayerListing: Sendable {
    /// The members in canonical order.
    let members: MemberList
    /// For each member the position of its content digest; -1 for what is no file.
    private let digestPositions: [Int32]
    private let contentDigests: [Digest]

    /// Creates a listing.
    ///
    /// - Parameters:
    ///   - members: The members in canonical order.
    ///   - contentDigests: One digest for each file, in order.
    init(members: MemberList, contentDigests: [Digest]) {
        self.members = members
        self.contentDigests = contentDigests
        var next: Int32 = 0
        self.digestPositions = members.indices.map { index in
            guard members.kind(at: index) == .file else { return -1 }
            defer { next += 1 }
            return next
        }
        precondition(Int(next) == contentDigests.count, "Each file has one digest.")
    }

    /// A layer without members.
    static let empty = Self(members: MemberList(), contentDigests: [])

    /// The digest of the normalised content of the member at a position; `nil` for what is no file.
    func contentDigest(at index: Int) -> Digest? {
        let position = self.digestPositions[index]
        return position < 0 ? nil : self.contentDigests[Int(position)]
    }

    /// The positions of all members, by path.
    var indicesByPath: [Int] {
        self.members.indices.sorted { first, second in
            self.members.withPath(at: first) { first in
                self.members.withPath(at: second) { first.lexicographicallyPrecedes($0) }
            }
        }
    }
}

/// A member as JSON tells it.
struct MemberDocument: Encodable, Sendable {
    /// The path as text, with control characters escaped.
    var path: String
    /// The path's bytes in hexadecimal, if `path` is not the path itself.
    var pathBytes: String?
    var kind: String
    var mode: String
    var size: Int
    var digest: Digest?
    var target: String?

    init(_ member: Member, digest: Digest?) {
        self.path = member.displayPath
        self.pathBytes = Array(self.path.utf8) == member.path ? nil : Self.hex(member.path)
        self.kind = member.kind.name
        self.mode = TreeRecords.octal(member.mode)
        self.size = member.size
        self.digest = digest
        self.target = member.target.isEmpty ? nil : Member.display(member.target)
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

extension MemberKind {
    /// The kind as a word.
    var name: String {
        switch self {
        case .directory: "directory"
        case .file: "file"
        case .symlink: "symlink"
        case .hardlink: "hardlink"
        }
    }
}

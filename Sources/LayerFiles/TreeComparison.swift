public import CacheModel
public import LayerFormat

/// What is different between two lists of members.
public struct TreeComparison: Hashable, Sendable {
    /// Paths that only the second list has, in its order.
    public private(set) var added: [[UInt8]] = []
    /// Paths that only the first list has, in its order.
    public private(set) var removed: [[UInt8]] = []
    /// Paths whose kind, mode, size, target or content differ, in the second list's order.
    public private(set) var changed: [[UInt8]] = []

    /// Whether there is no difference.
    public var isEmpty: Bool { self.added.isEmpty && self.removed.isEmpty && self.changed.isEmpty }

    /// Compares two lists; the digests are one for each file, in order.
    public init(from old: MemberList, _ oldDigests: [Digest], to new: MemberList, _ newDigests: [Digest]) {
        var known: [[UInt8]: (member: Member, digest: Digest?)] = [:]
        known.reserveCapacity(old.count)
        var order: [[UInt8]] = []
        for (member, digest) in Self.pairs(old, oldDigests) {
            known[member.path] = (member, digest)
            order.append(member.path)
        }
        for (member, digest) in Self.pairs(new, newDigests) {
            guard let before = known.removeValue(forKey: member.path) else {
                self.added.append(member.path)
                continue
            }
            if before.member != member || before.digest != digest { self.changed.append(member.path) }
        }
        self.removed = order.filter { known[$0] != nil }
    }

    private static func pairs(_ members: MemberList, _ digests: [Digest]) -> [(Member, Digest?)] {
        var nextFile = 0
        return members.indices.map { index in
            guard members.kind(at: index) == .file else { return (members[index], nil) }
            defer { nextFile += 1 }
            return (members[index], nextFile < digests.count ? digests[nextFile] : nil)
        }
    }
}

internal import CacheModel
internal import LayerFormat

/// What differs between two layers, by path.
struct LayerDifference: Sendable {
    /// One path that differs.
    struct Change: Sendable {
        enum Kind: String, Sendable {
            case added
            case removed
            case changed
        }

        var kind: Kind
        /// The member after the change; before it, if it was removed.
        var member: Member
        /// What is different about a member that is in both, such as `mode 0644 -> 0755`.
        var details: [String]
        /// How many bytes of content came (or, if negative, went).
        var growth: Int
    }

    /// The differing paths in bytewise order.
    let changes: [Change]

    /// Compares two layers; what is volatile, such as mtimes, is no difference.
    init(from before: LayerListing, to after: LayerListing) {
        var changes: [Change] = []
        let (old, new) = (before.indicesByPath, after.indicesByPath)
        var (oldPosition, newPosition) = (0, 0)
        while oldPosition < old.count || newPosition < new.count {
            let order = Self.compare(before, old, oldPosition, after, new, newPosition)
            if order < 0 {
                let member = before.members[old[oldPosition]]
                changes.append(.init(kind: .removed, member: member, details: [], growth: -member.size))
            } else if order > 0 {
                let member = after.members[new[newPosition]]
                changes.append(.init(kind: .added, member: member, details: [], growth: member.size))
            } else if let change = Self.change(before, old[oldPosition], after, new[newPosition]) {
                changes.append(change)
            }
            if order <= 0 { oldPosition += 1 }
            if order >= 0 { newPosition += 1 }
        }
        self.changes = changes
    }

    /// How many paths were added, removed or changed.
    func count(of kind: Change.Kind) -> Int { self.changes.count { $0.kind == kind } }

    /// How many bytes of content came (or, if negative, went).
    var growth: Int { self.changes.reduce(0) { $0 + $1.growth } }

    /// Negative if the first list is behind and its path is not in the second, positive the other way round.
    private static func compare(
        _ before: LayerListing,
        _ old: [Int],
        _ oldPosition: Int,
        _ after: LayerListing,
        _ new: [Int],
        _ newPosition: Int
    ) -> Int {
        guard oldPosition < old.count else { return 1 }
        guard newPosition < new.count else { return -1 }
        return before.members.withPath(at: old[oldPosition]) { first in
            after.members.withPath(at: new[newPosition]) { second in
                if first.lexicographicallyPrecedes(second) { return -1 }
                return second.lexicographicallyPrecedes(first) ? 1 : 0
            }
        }
    }

    private static func change(_ before: LayerListing, _ old: Int, _ after: LayerListing, _ new: Int) -> Change? {
        let (first, second) = (before.members[old], after.members[new])
        var details: [String] = []
        if first.kind != second.kind { details.append("\(first.kind.name) -> \(second.kind.name)") }
        if first.kind == second.kind, first.mode != second.mode {
            details.append("mode \(TreeRecords.octal(first.mode)) -> \(TreeRecords.octal(second.mode))")
        }
        if first.size != second.size {
            details.append("size \(first.size) -> \(second.size)")
        } else if before.contentDigest(at: old) != after.contentDigest(at: new), first.kind == second.kind {
            details.append("content")
        }
        if first.kind == second.kind, first.target != second.target {
            details.append("target \(Member.display(first.target)) -> \(Member.display(second.target))")
        }
        guard !details.isEmpty else { return nil }
        return Change(kind: .changed, member: second, details: details, growth: second.size - first.size)
    }
}

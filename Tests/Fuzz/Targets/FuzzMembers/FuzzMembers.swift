import LayerFormat
import Support

// Member lists: validation agrees with a simple one that looks at whole arrays.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var feed = Feed(start, count)
    let sorts = feed.flag()
    let root = feed.flag() ? "." : "d"
    var members: [Member] = []
    while feed.hasMore, members.count < 64 {
        let kind = feed.choice(MemberKind.allCases)
        members.append(
            Member(
                path: path(&feed, among: members),
                kind: kind,
                mode: kind == .file || kind == .directory ? UInt16(feed.byte()) : 0,
                size: kind == .file ? Int(feed.byte()) : 0,
                target: kind == .symlink || kind == .hardlink ? path(&feed, among: members) : []
            )
        )
    }
    let list = sorts ? MemberList(sorting: members) : members.reduce(into: MemberList()) { $0.append($1) }
    let isAccepted = (try? list.validate(root: root)) != nil
    let isRight = isValid(list.indices.map { list[$0] }, root: root)
    require(isAccepted == isRight, "validation: \(isAccepted), expected \(isRight): \(list.indices.map { list[$0] })")
    return 0
}

/// A path that often is an earlier one, or lies below it.
private func path(_ feed: inout Feed, among members: [Member]) -> [UInt8] {
    let mode = feed.number(below: 4)
    guard mode > 0, !members.isEmpty else { return feed.piece() }
    let earlier = members[feed.number(below: members.count)].path
    return mode == 1 ? earlier : earlier + [UInt8(ascii: "/")] + feed.piece()
}

private func isValid(_ members: [Member], root: String) -> Bool {
    var directories: Set<[UInt8]> = []
    var files: Set<[UInt8]> = []
    var all: Set<[UInt8]> = []
    let root = Array(root.utf8)
    let isAnchor = root == Array(".".utf8)
    for (index, member) in members.enumerated() {
        guard isClean(member.path), index == 0 || isBefore(members[index - 1], member) else { return false }
        let parent = member.path.lastIndex(of: UInt8(ascii: "/")).map { Array(member.path[..<$0]) }
        if member.path != root || isAnchor {
            guard parent.map({ directories.contains($0) }) ?? isAnchor else { return false }
        }
        guard all.insert(member.path).inserted else { return false }
        switch member.kind {
        case .directory: directories.insert(member.path)
        case .file: files.insert(member.path)
        case .symlink: guard !member.target.isEmpty, !member.target.contains(0) else { return false }
        case .hardlink: guard isClean(member.target), files.contains(member.target) else { return false }
        }
    }
    return true
}

private func isClean(_ path: [UInt8]) -> Bool {
    let parts = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    return !path.contains(0)
        && parts.allSatisfy { !$0.isEmpty && $0.count <= 255 && $0 != [UInt8(ascii: ".")] && $0 != [46, 46] }
}

private func isBefore(_ first: Member, _ second: Member) -> Bool {
    guard (first.kind == .directory) == (second.kind == .directory) else { return first.kind == .directory }
    guard first.kind != .directory else { return first.path.lexicographicallyPrecedes(second.path) }
    let (one, other) = (suffix(first.path), suffix(second.path))
    return one == other ? first.path.lexicographicallyPrecedes(second.path) : one.lexicographicallyPrecedes(other)
}

private func suffix(_ path: [UInt8]) -> [UInt8] {
    let name = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).last ?? []
    guard let dot = name.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else { return [] }
    return Array(name[(dot + 1)...])
}

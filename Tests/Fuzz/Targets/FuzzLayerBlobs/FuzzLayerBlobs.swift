import CacheModel
import LayerFormat
import LayerKernels
import Support

// The blobs of a layer: recipe, stamps, content digests. What is accepted can be written again, and nothing that a
// server computes from it traps.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var feed = Feed(start, count)
    let kind = feed.number(below: 3)
    let bytes = Array(feed.rest)
    switch kind {
    case 0: checkRecipe(bytes)
    case 1: checkStamps(bytes)
    default: checkContentDigests(bytes)
    }
    return 0
}

private func checkRecipe(_ bytes: [UInt8]) {
    guard let recipe = try? Recipe(decoding: bytes) else { return }
    require((try? Recipe(decoding: recipe.encoded())) == recipe, "a recipe changes when it is written again")
    let members = recipe.members
    let isSound = (try? members.validate(root: ".")) != nil
    let layout = StreamLayout(of: members)
    require(layout.size == CanonicalTar.streamSize(of: members), "two sizes of the canonical tar")
    guard isSound else { return }
    for index in members.indices {
        require(layout.member(at: layout.headerOffset(of: index)) == index, "a header belongs to another member")
    }
    let files = members.indices.filter { members.kind(at: $0) == .file }
    consume(TreeDigest.digest(of: members, contentDigests: files.map { _ in recipe.treeDigest }))
    require((try? ExactTarWriter(members: members, stamps: Stamps())) != nil, "there is no exact tar")
}

private func checkStamps(_ bytes: [UInt8]) {
    guard let stamps = try? Stamps(decoding: bytes, for: members) else { return }
    let again = try? Stamps(decoding: stamps.encoded(), for: members)
    require(again == stamps, "stamps change when they are written again")
    consume(try? ExactTarWriter(members: members, stamps: stamps))
}

private func checkContentDigests(_ bytes: [UInt8]) {
    for count in 0...2 {
        guard let digests = try? ContentDigests.decode(bytes, count: count) else { continue }
        require(digests.count == count, "\(digests.count) digests, expected \(count)")
        let again = try? ContentDigests.decode(ContentDigests.encode(digests), count: count)
        require(again == digests, "content digests change when they are written again")
    }
}

/// What the stamps belong to; `seeds.py` knows them.
private let members = MemberList(sorting: [
    Member(path: Array("d".utf8), kind: .directory, mode: 0o755),
    Member(path: Array("d/a.pyc".utf8), kind: .file, mode: 0o644, size: 100),
    Member(path: Array("d/b.pyc".utf8), kind: .file, mode: 0o644, size: 1 << 40),
    Member(path: Array("d/l".utf8), kind: .symlink, mode: 0o777, target: Array("a".utf8)),
])

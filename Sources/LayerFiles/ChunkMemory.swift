public import CacheModel
public import LayerFormat

/// Remembers how a tree was cut when it was saved last, so that the next save reads only what differs.
///
/// A cut depends on nothing but the bytes since the cut before. Where the new stream is, member by member, what the old
/// one was, and a chunk of the old one starts there, the same chunk starts here, and its digest is known.
public struct ChunkMemory: Sendable {
    private let members: MemberList
    private let contentDigests: [Digest]
    private let chunks: [ChunkReference]

    /// Remembers a layer.
    ///
    /// - Parameters:
    ///   - members: Its members.
    ///   - contentDigests: One digest for each file.
    ///   - chunks: Its chunks, in order.
    public init(members: MemberList, contentDigests: [Digest], chunks: [ChunkReference]) {
        self.members = members
        self.contentDigests = contentDigests
        self.chunks = chunks
    }

    /// What was remembered of a tree.
    ///
    /// - Parameters:
    ///   - directory: Where caches are kept.
    ///   - anchor: The anchor of the tree.
    ///   - path: The path of the tree below it.
    /// - Returns: The memory; `nil` if there is none, or none that can be used.
    public static func load(from directory: String, anchor: String, path: String) -> Self? {
        guard let bytes = self.file(directory, anchor, path).read(), bytes.count >= 8 else { return nil }
        let size = bytes.withUnsafeBytes { Int(truncatingIfNeeded: $0.loadUnaligned(as: UInt64.self)) }
        guard size >= 0, size <= bytes.count - 8,
            let recipe = try? Recipe(decoding: Array(bytes[8..<8 + size])),
            let digests = try? ContentDigests.decode(
                Array(bytes[(8 + size)...]),
                count: recipe.members.indices.count { recipe.members.kind(at: $0) == .file }
            ),
            recipe.streamSize == StreamLayout(of: recipe.members).size
        else { return nil }
        return Self(members: recipe.members, contentDigests: digests, chunks: recipe.chunks)
    }

    /// Remembers a layer that was saved.
    ///
    /// - Parameters:
    ///   - recipe: The recipe's blob.
    ///   - contentDigests: The content digests' blob.
    ///   - directory: Where caches are kept.
    ///   - anchor: The anchor of the tree.
    ///   - path: The path of the tree below it.
    /// - Throws: ``TreeError`` if it cannot be written.
    public static func save(
        recipe: [UInt8],
        contentDigests: [UInt8],
        to directory: String,
        anchor: String,
        path: String
    ) throws(TreeError) {
        let size = withUnsafeBytes(of: UInt64(recipe.count)) { Array($0) }
        try self.file(directory, anchor, path).write(size + recipe + contentDigests)
    }

    private static func file(_ directory: String, _ anchor: String, _ path: String) -> CacheFile {
        CacheFile(in: directory, anchor: anchor, path: path, kind: "chunks")
    }

    /// Finds where a tree's stream is that of the remembered one.
    public func compare(with members: MemberList, contentDigests: [Digest]) -> KnownChunks {
        var known = KnownChunks(old: self.members, chunks: self.chunks, new: members)
        var (old, oldFile, newFile) = (0, 0, 0)
        for new in members.indices {
            while old < self.members.count, Self.isBefore(self.members, old, members, new) {
                if self.members.kind(at: old) == .file { oldFile += 1 }
                old += 1
            }
            let isFile = members.kind(at: new) == .file
            if old < self.members.count, Self.hasSameHeader(self.members, old, members, new),
                !isFile || self.contentDigests[oldFile] == contentDigests[newFile]
            {
                known.match(new, with: old)
            }
            if isFile { newFile += 1 }
        }
        known.complete()
        return known
    }

    private static func isBefore(_ old: MemberList, _ first: Int, _ new: MemberList, _ second: Int) -> Bool {
        old.withPath(at: first) { firstPath in
            new.withPath(at: second) { secondPath in
                CanonicalOrder.areInIncreasingOrder(
                    firstPath,
                    isDirectory: old.kind(at: first) == .directory,
                    secondPath,
                    isDirectory: new.kind(at: second) == .directory
                )
            }
        }
    }

    private static func hasSameHeader(_ old: MemberList, _ first: Int, _ new: MemberList, _ second: Int) -> Bool {
        guard old.kind(at: first) == new.kind(at: second), old.mode(at: first) == new.mode(at: second),
            old.size(at: first) == new.size(at: second)
        else { return false }
        return old.withPath(at: first) { path in new.withPath(at: second) { path.elementsEqual($0) } }
            && old.withTarget(at: first) { target in new.withTarget(at: second) { target.elementsEqual($0) } }
    }
}

/// Which chunks of a stream are known before it is read.
public struct KnownChunks: Sendable {
    private let chunks: [ChunkReference]
    /// Where each old chunk starts, and the old stream's end.
    private let chunkStarts: [Int]
    private let oldLayout: StreamLayout
    private let newLayout: StreamLayout
    private let oldCount: Int
    /// For each new member its old position, or -1.
    private var matches: [Int32]
    /// For each new member, up to which offset of the new stream both streams are the same; set by ``complete()``.
    private var ends: [Int] = []

    init(old: MemberList, chunks: [ChunkReference], new: MemberList) {
        self.chunks = chunks
        self.chunkStarts = chunks.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.size) }
        self.oldLayout = StreamLayout(of: old)
        self.newLayout = StreamLayout(of: new)
        self.oldCount = old.count
        self.matches = Array(repeating: -1, count: new.count)
    }

    mutating func match(_ new: Int, with old: Int) { self.matches[new] = Int32(old) }

    mutating func complete() {
        self.ends = Array(repeating: 0, count: self.matches.count)
        for new in self.matches.indices.reversed() where self.matches[new] >= 0 {
            let isLast = new == self.matches.count - 1
            let goesOn = !isLast && self.matches[new + 1] == self.matches[new] + 1
            let isEnd = isLast && self.matches[new] == self.oldCount - 1
            // The end marker belongs to what is the same only if both streams end here.
            self.ends[new] =
                goesOn
                ? self.ends[new + 1]
                : isEnd ? self.newLayout.size : self.newLayout.headerOffset(of: new) + self.span(of: new)
        }
    }

    /// The bytes of a member's header and content.
    private func span(of new: Int) -> Int {
        let old = Int(self.matches[new])
        let next = old + 1 < self.oldCount ? self.oldLayout.headerOffset(of: old + 1) : self.oldLayout.markerOffset
        return next - self.oldLayout.headerOffset(of: old)
    }

    /// The chunk that starts at an offset of the new stream, if it is known.
    func chunk(at offset: Int) -> ChunkReference? {
        guard let member = self.newLayout.member(at: offset), self.matches[member] >= 0 else { return nil }
        let old = Int(self.matches[member])
        let oldOffset = offset - self.newLayout.headerOffset(of: member) + self.oldLayout.headerOffset(of: old)
        guard let index = self.chunkIndex(startingAt: oldOffset) else { return nil }
        let chunk = self.chunks[index]
        // The old stream's last chunk ends where the stream ended, so it is the same only where this one ends, too.
        let isLast = index == self.chunks.count - 1
        guard offset + chunk.size <= self.ends[member], !isLast || offset + chunk.size == self.newLayout.size else {
            return nil
        }
        return chunk
    }

    private func chunkIndex(startingAt offset: Int) -> Int? {
        var (lower, upper) = (0, self.chunks.count)
        while lower < upper {
            let middle = (lower + upper) / 2
            if self.chunkStarts[middle] < offset { lower = middle + 1 } else { upper = middle }
        }
        return lower < self.chunks.count && self.chunkStarts[lower] == offset ? lower : nil
    }
}

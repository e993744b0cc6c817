public import LayerFormat

/// A source without the directories above a path: a tar of `caches/app.tar` as the layer `caches/app.tar`.
public struct TrimmedSource: LayerSource {
    /// The members from the path on.
    public let members: MemberList
    /// Their stamps.
    public let stamps: Stamps
    private let source: SpooledTree
    private let count: Int

    /// Leaves out the directories that `path` lies below; they are the first members, as everything lies below them.
    public init(_ source: SpooledTree, below path: String) {
        let path = Array(path.utf8)
        func isAbove(_ index: Int) -> Bool {
            source.members.kind(at: index) == .directory
                && path.starts(with: source.members.path(at: index) + [UInt8(ascii: "/")])
        }
        let count = source.members.indices.first { !isAbove($0) } ?? 0
        var members = MemberList()
        for index in source.members.indices.dropFirst(count) { members.append(source.members[index]) }
        self.source = source
        self.count = count
        self.members = members
        self.stamps = Stamps(
            mtimes: Array(source.stamps.mtimes.dropFirst(count)),
            sparseFiles: source.stamps.sparseFiles.map { .init(member: $0.member - count, extents: $0.extents) }
        )
    }

    /// A reader of the files' bytes.
    public func makeReader() throws -> any LayerReader { Reader(self.source, shift: self.count) }

    private final class Reader: LayerReader {
        private let source: SpooledTree
        private let shift: Int

        init(_ source: SpooledTree, shift: Int) {
            self.source = source
            self.shift = shift
        }

        func readContent(ofMember index: Int, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Int
        {
            try self.source.readContent(ofMember: index + self.shift, at: offset, into: buffer)
        }
    }
}

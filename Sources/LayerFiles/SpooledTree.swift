public import LayerFormat

/// The members of a tar that somebody sent, as the source of one layer; their bytes stay in a spool file.
public final class SpooledTree: LayerSource {
    /// Where a file's bytes are in the spool.
    struct Content: Sendable {
        /// Where its stored bytes start.
        var offset: Int
        /// The ranges of a sparse file that are stored; `nil` if all of it is.
        var extents: [Range<Int>]?
        /// How many bytes are stored before each of the ranges.
        var storedBefore: [Int]
    }

    /// The layer's path: the one top-level name that all members are or lie below, or `.` if there is no such name.
    public let rootPath: String
    /// The members in canonical order.
    public let members: MemberList
    /// Modification times and maps of holes; the source stamps of `.pyc` files are still in the content.
    public let stamps: Stamps
    private let contents: [Content?]
    private let file: SpoolFile

    /// Reads the members of the tar in the first `size` bytes of a file.
    init(file: SpoolFile, size: Int, limits: TarLimits) throws {
        var position = 0
        let reader = TarReader(limits: limits) { buffer in
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(size - position))
            let count = try file.read(at: position, into: room)
            position += count
            return count
        } skip: { count in
            let skipped = min(count, size - position)
            position += skipped
            return skipped
        }
        var builder = SpooledTreeBuilder(limits: limits)
        while let entry = try reader.next() { try builder.add(entry) }
        try builder.finish()
        self.file = file
        self.rootPath = builder.rootPath
        self.members = builder.members
        self.stamps = builder.stamps
        self.contents = builder.contents
        do throws(LayerFormatError) {
            try self.members.validate(root: self.rootPath)
        } catch {
            throw TarError(offset: 0, error.description)
        }
    }

    /// A reader of the files' bytes.
    public func makeReader() -> any LayerReader { SpooledTreeReader(self) }

    /// Fills as much of `buffer` as the file has bytes from `offset` on; holes read as zeros.
    ///
    /// - Throws: ``TreeError``.
    public func readContent(
        ofMember index: Int,
        at offset: Int,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(TreeError) -> Int {
        guard let content = self.contents[index] else { return 0 }
        let count = max(0, min(buffer.count, self.members.size(at: index) - offset))
        let wanted = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        guard let extents = content.extents else {
            return try self.file.read(at: content.offset + offset, into: wanted)
        }
        if count > 0 { wanted.initializeMemory(as: UInt8.self, repeating: 0) }
        let range = offset..<(offset + count)
        var position = Self.firstExtent(in: extents, endingAfter: offset)
        while position < extents.count, extents[position].lowerBound < range.upperBound {
            let extent = extents[position]
            let part = extent.clamped(to: range)
            let stored = content.offset + content.storedBefore[position] + part.lowerBound - extent.lowerBound
            let room = wanted[(part.lowerBound - offset)..<(part.upperBound - offset)]
            let read = try self.file.read(at: stored, into: UnsafeMutableRawBufferPointer(rebasing: room))
            guard read == part.count else { return part.lowerBound - offset + read }
            position += 1
        }
        return count
    }

    private static func firstExtent(in extents: [Range<Int>], endingAfter offset: Int) -> Int {
        var lower = 0
        var upper = extents.count
        while lower < upper {
            let middle = (lower + upper) / 2
            if extents[middle].upperBound <= offset { lower = middle + 1 } else { upper = middle }
        }
        return lower
    }
}

/// Reads from the spool by position, so readers share nothing that changes.
private final class SpooledTreeReader: LayerReader {
    private let tree: SpooledTree

    init(_ tree: SpooledTree) { self.tree = tree }

    func readContent(ofMember index: Int, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        try self.tree.readContent(ofMember: index, at: offset, into: buffer)
    }
}

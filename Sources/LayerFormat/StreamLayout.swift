/// Where each member stands in the canonical tar of a member list.
public struct StreamLayout: Sendable, Hashable {
    private var headerOffsets: [Int] = []
    private var contentOffsets: [Int] = []
    /// The number of bytes of the whole stream, end marker included.
    public let size: Int

    /// Computes the layout; one pass over the members.
    public init(of members: MemberList) {
        self.headerOffsets.reserveCapacity(members.count)
        self.contentOffsets.reserveCapacity(members.count)
        var offset = 0
        for index in members.indices {
            self.headerOffsets.append(offset)
            offset += CanonicalTar.headerSize(of: members, at: index)
            self.contentOffsets.append(offset)
            offset += CanonicalTar.paddedSize(members.size(at: index))
        }
        self.size = offset + CanonicalTar.endMarkerSize
    }

    /// Where the end marker starts.
    public var markerOffset: Int { self.size - CanonicalTar.endMarkerSize }

    /// Where the header of a member starts, its PAX header included.
    public func headerOffset(of index: Int) -> Int { self.headerOffsets[index] }

    /// Where the content of a member starts; where it would if it has none.
    public func contentOffset(of index: Int) -> Int { self.contentOffsets[index] }

    /// The member whose header or content holds a byte of the stream; `nil` for the end marker.
    public func member(at offset: Int) -> Int? {
        guard offset >= 0, offset < self.markerOffset else { return nil }
        var lower = 0
        var upper = self.headerOffsets.count
        while upper - lower > 1 {
            let middle = (lower + upper) / 2
            if self.headerOffsets[middle] <= offset { lower = middle } else { upper = middle }
        }
        return lower
    }
}

extension TarReader {
    private typealias Malformed = TarHeaderBlock.Malformed
    private typealias Extent = (offset: Int, size: Int)

    /// Reads the map of a sparse file, in whichever of the four forms, and puts the logical size into the member.
    func applySparseMap(
        to entry: inout TarEntry,
        _ header: TarHeaderBlock,
        _ records: PaxRecords
    ) throws(TarError) {
        let offset = entry.headerOffset
        let path = entry.member.path
        let version = try self.check(at: offset, path) { () throws(Malformed) in
            (
                major: try records.number("GNU.sparse.major") ?? 0, minor: try records.number("GNU.sparse.minor") ?? 0,
                realSize: try records.number("GNU.sparse.realsize"), size: try records.number("GNU.sparse.size"),
                count: try records.number("GNU.sparse.numblocks"), map: try records.extents("GNU.sparse.map")
            )
        }
        let isOld = header.typeFlag == UInt8(ascii: "S")
        let isPax =
            version.major > 0 || version.realSize != nil || version.size != nil || version.map != nil
            || !records.repeatedExtents.isEmpty
        guard isOld || isPax else {
            guard !records.has("GNU.sparse.name") else { throw Self.refuse(entry, "it has a sparse name but no map") }
            return
        }
        guard !(isOld && isPax) else { throw Self.refuse(entry, "it is sparse in two ways at once") }
        let map: [Extent]
        let realSize: Int?
        if isOld {
            realSize = try self.check(at: offset, path) { () throws(Malformed) in try header.realSize() }
            map = try self.oldMap(of: entry, header)
        } else if version.major == 1 && version.minor == 0 {
            guard version.map == nil, records.repeatedExtents.isEmpty else {
                throw Self.refuse(entry, "it is sparse in two ways at once")
            }
            realSize = version.realSize
            map = try self.contentMap(of: &entry)
        } else if version.major == 0 {
            guard version.map == nil || records.repeatedExtents.isEmpty else {
                throw Self.refuse(entry, "it is sparse in two ways at once")
            }
            realSize = version.size ?? version.realSize
            map = version.map ?? records.repeatedExtents
            // Without the count GNU tar refuses the file, and others read other bytes.
            guard version.count == map.count else {
                let expected = version.count.map { "\($0)" } ?? "their number beside it"
                throw Self.refuse(entry, "its sparse map has \(map.count) ranges, expected \(expected)")
            }
        } else {
            throw Self.refuse(entry, "its sparse format \(version.major).\(version.minor) is unknown")
        }
        guard let realSize else { throw Self.refuse(entry, "its sparse map has no size") }
        entry.contentOffset = self.input.offset
        try self.apply(map, realSize, to: &entry)
    }

    private static func refuse(_ entry: TarEntry, _ problem: String) -> TarError {
        TarError(offset: entry.headerOffset, member: entry.member.path, problem)
    }

    private func apply(_ map: [Extent], _ realSize: Int, to entry: inout TarEntry) throws(TarError) {
        var extents: [Range<Int>] = []
        var end = 0
        var stored = 0
        for extent in map {
            guard extent.offset >= end, extent.size <= realSize, extent.offset <= realSize - extent.size else {
                throw Self.refuse(entry, "its sparse map is out of order or reaches past its size of \(realSize) bytes")
            }
            end = extent.offset + extent.size
            stored += extent.size
            if extent.size > 0 { extents.append(extent.offset..<end) }
        }
        guard stored == entry.storedSize else {
            throw Self.refuse(entry, "its sparse map holds \(stored) bytes, but \(entry.storedSize) are stored")
        }
        self.extentCount += extents.count
        guard self.extentCount <= self.limits.extents else {
            throw Self.refuse(entry, "sparse files have more than \(self.limits.extents) ranges in all")
        }
        entry.member.size = realSize
        entry.extents = extents
    }

    /// The map of type `S`: four ranges in the header, 21 in each block after it.
    private func oldMap(of entry: TarEntry, _ header: TarHeaderBlock) throws(TarError) -> [Extent] {
        let offset = entry.headerOffset
        let path = entry.member.path
        var map = try self.check(at: offset, path) { () throws(Malformed) in try header.sparseExtents() }
        var isExtended = header.isExtended
        while isExtended {
            let bytes = try self.input.take(CanonicalTar.blockSize)
            guard bytes.count == CanonicalTar.blockSize else {
                throw Self.refuse(entry, "the tar is truncated: it ends within a sparse map; send it again")
            }
            let block = TarHeaderBlock(bytes)
            map += try self.check(at: offset, path) { () throws(Malformed) in try block.extensionExtents() }
            guard map.count <= self.limits.extents else {
                throw Self.refuse(entry, "its sparse map has more than \(self.limits.extents) ranges")
            }
            isExtended = block.isExtensionExtended
        }
        return map
    }

    /// The map of format 1.0: decimal numbers, one a line, in the first blocks of the content.
    private func contentMap(of entry: inout TarEntry) throws(TarError) -> [Extent] {
        var lines = SparseMapLines()
        var numbers: [Int] = []
        var expected = 1
        while numbers.count < expected {
            let number = try self.mapNumber(of: &entry, &lines)
            numbers.append(number)
            if numbers.count == 1 {
                guard number <= self.limits.extents else {
                    throw Self.refuse(entry, "its sparse map has more than \(self.limits.extents) ranges")
                }
                expected = 1 + 2 * number
            }
        }
        return stride(from: 1, to: numbers.count, by: 2).map { (numbers[$0], numbers[$0 + 1]) }
    }

    private func mapNumber(of entry: inout TarEntry, _ lines: inout SparseMapLines) throws(TarError) -> Int {
        while true {
            if let line = lines.next() {
                return try self.check(at: entry.headerOffset, entry.member.path) { () throws(Malformed) in
                    try PaxRecords.number(line, "sparse map")
                }
            }
            // A number has at most 18 digits, so a longer line is none.
            guard lines.restSize < 32, entry.storedSize >= CanonicalTar.blockSize else {
                throw Self.refuse(entry, "its sparse map is malformed; the tar is damaged")
            }
            let bytes = try self.input.take(CanonicalTar.blockSize)
            guard bytes.count == CanonicalTar.blockSize else {
                throw Self.refuse(entry, "the tar is truncated: it ends within a sparse map; send it again")
            }
            entry.storedSize -= CanonicalTar.blockSize
            lines.append(bytes)
        }
    }
}

/// Splits blocks into lines.
private struct SparseMapLines {
    private var bytes: ArraySlice<UInt8> = []

    var restSize: Int { self.bytes.count }

    mutating func append(_ block: [UInt8]) { self.bytes = self.bytes + block }

    mutating func next() -> ArraySlice<UInt8>? {
        guard let end = self.bytes.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let line = self.bytes[..<end]
        self.bytes = self.bytes[(end + 1)...]
        return line
    }
}

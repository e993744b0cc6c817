internal import LayerFormat

/// The stamps of a layer, checked, and found by member.
struct RestoreStamps: Sendable {
    private let mtimes: [Int64]
    let pycStamps: [Int: UInt32]
    let extents: [Int: [Range<Int>]]

    /// Checks stamps against the members they belong to; no modification times at all mean 1970.
    ///
    /// - Throws: ``TreeError`` if a stamp belongs to no file, or a map is out of order or bounds.
    init(_ stamps: Stamps, members: MemberList) throws(TreeError) {
        guard stamps.mtimes.count == members.count || stamps.mtimes.isEmpty else {
            throw TreeError(.invalidLayer, "the stamps have \(stamps.mtimes.count) times for \(members.count) members")
        }
        self.mtimes = stamps.mtimes
        var pycStamps: [Int: UInt32] = [:]
        for stamp in stamps.pycStamps {
            let isFile = members.indices.contains(stamp.member) && members.kind(at: stamp.member) == .file
            guard isFile, members.size(at: stamp.member) >= PycHeader.size else {
                throw TreeError(
                    .invalidLayer,
                    "a `.pyc` stamp belongs to member \(stamp.member), which is no such file"
                )
            }
            pycStamps[stamp.member] = stamp.value
        }
        var extents: [Int: [Range<Int>]] = [:]
        for map in stamps.sparseFiles {
            guard members.indices.contains(map.member), members.kind(at: map.member) == .file else {
                throw TreeError(.invalidLayer, "a map of holes belongs to member \(map.member), which is no file")
            }
            var end = 0
            for extent in map.extents {
                guard extent.lowerBound >= end, extent.upperBound <= members.size(at: map.member) else {
                    throw TreeError(.invalidLayer, "the map of holes of member \(map.member) is out of order or bounds")
                }
                end = extent.upperBound
            }
            extents[map.member] = map.extents
        }
        self.pycStamps = pycStamps
        self.extents = extents
    }

    /// The modification time of a member.
    func mtime(of member: Int) -> Int64 { self.mtimes.isEmpty ? 0 : self.mtimes[member] }
}

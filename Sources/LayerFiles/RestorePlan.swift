internal import CLinux
internal import CacheModel
internal import Glibc
internal import LayerFormat
internal import LayerKernels

/// What a restore has to do, given what is on disk already.
public struct RestorePlan: Sendable {
    /// Whether the target is exactly the layer, so that nothing needs to be fetched or written.
    public internal(set) var isAlreadyRight = false
    /// The chunks that hold bytes of files to be written, in order.
    public internal(set) var neededChunks: [Int] = []
    /// The raw bytes of these chunks.
    public internal(set) var neededSize = 0
    /// Files whose content has to come from chunks.
    public internal(set) var filesToWrite = 0
    /// Files that stay as they are.
    public internal(set) var filesToKeep = 0
    /// Files whose content is there, but with another time, mode or stamp.
    public internal(set) var filesToReuse = 0
    /// What was learnt about the target; saved, it makes the next inspection a walk.
    public internal(set) var statCache = StatCache()
    /// What becomes of each member.
    var fates: [MemberFate] = []
    /// Whether the target's top-level names are swapped one by one.
    var isInPlace = false
    /// What the target has and the layer doesn't, or has as something else: positions in the scan.
    var obsolete: [Int] = []
    /// Members that are no files and that the target doesn't have, or has as something else.
    var absent: [Int] = []
    /// For each file to be reused, its position in the scan.
    var reusedScanPositions: Set<Int> = []
    /// Whether the layer is a directory, and the target is one.
    var matchedRoot = false
}

/// What becomes of a member.
enum MemberFate: UInt8, Sendable {
    /// A file whose bytes come from chunks; or any member that is no file.
    case write
    /// A file that is hard-linked from the old tree.
    case keep
    /// A file that is copied from the old tree.
    case reuse
}

/// Compares the target with a layer.
struct TargetInspection {
    private let members: MemberList
    private let stamps: RestoreStamps
    private let contentDigests: [Digest]
    private let layout: RestoreLayout
    private let threads: Int
    private var plan = RestorePlan()
    /// Files that may have the right content: member, position in the scan.
    private var candidates: [(member: Int, found: Int)] = []
    private var matchedCount = 0

    init(
        members: MemberList,
        stamps: RestoreStamps,
        contentDigests: [Digest],
        layout: RestoreLayout,
        threads: Int
    ) {
        self.members = members
        self.stamps = stamps
        self.contentDigests = contentDigests
        self.layout = layout
        self.threads = threads
        self.plan.fates = Array(repeating: .write, count: members.count)
    }

    /// The plan for a target.
    ///
    /// - Parameters:
    ///   - existing: The target as a scan without content found it; `nil` if there is none that can be read.
    ///   - isInPlace: Whether other top-level names of the target stay.
    /// - Returns: What to do.
    mutating func makePlan(existing: ScannedTree?, isInPlace: Bool) -> RestorePlan {
        self.plan.isInPlace = isInPlace
        var otherDiffers = true
        if let existing {
            otherDiffers = self.join(existing, isInPlace: isInPlace) || !existing.warnings.isEmpty && !isInPlace
            let unsettled = self.settleCandidates(existing)
            if unsettled { otherDiffers = true }
        }
        self.countFates()
        let isSame = self.plan.filesToWrite == 0 && self.plan.filesToReuse == 0 && !otherDiffers
        self.plan.isAlreadyRight = existing != nil && isSame && self.matchedCount == self.members.count
        return self.plan
    }

    /// Walks both lists, which are in the same order.
    ///
    /// - Returns: Whether anything but the content of files differs.
    private mutating func join(_ existing: ScannedTree, isInPlace: Bool) -> Bool {
        let depth = existing.root.isAnchor ? 0 : existing.root.path.count + 1
        let ours = isInPlace ? self.topLevelNames(from: depth) : []
        var differs = false
        var found = 0
        for member in self.members.indices {
            while found < existing.members.count, self.isBefore(existing.members, found, member) {
                differs = self.isForeign(existing.members, found, depth, ours, isInPlace) || differs
                self.plan.obsolete.append(found)
                found += 1
            }
            guard found < existing.members.count, self.isSamePath(existing.members, found, member) else {
                differs = true
                if self.members.kind(at: member) != .file { self.plan.absent.append(member) }
                continue
            }
            self.matchedCount += 1
            if member == 0, found == 0 { self.plan.matchedRoot = self.members.kind(at: 0) == .directory }
            differs = self.compare(existing, found, member, isRoot: member == 0 && depth > 0 && isInPlace) || differs
            found += 1
        }
        while found < existing.members.count {
            self.plan.obsolete.append(found)
            differs = self.isForeign(existing.members, found, depth, ours, isInPlace) || differs
            found += 1
        }
        return differs
    }

    private mutating func compare(_ existing: ScannedTree, _ found: Int, _ member: Int, isRoot: Bool) -> Bool {
        let kind = self.members.kind(at: member)
        guard existing.members.kind(at: found) == kind else {
            self.plan.obsolete.append(found)
            if kind != .file { self.plan.absent.append(member) }
            return true
        }
        if kind == .file {
            guard existing.members.size(at: found) == self.members.size(at: member) else { return true }
            self.candidates.append((member, found))
            return false
        }
        if isRoot { return existing.members.mode(at: found) != self.members.mode(at: member) }
        let isSameTarget = self.members.withTarget(at: member) { wanted in
            existing.members.withTarget(at: found) { $0.elementsEqual(wanted) }
        }
        let differs =
            !isSameTarget || existing.members.mode(at: found) != self.members.mode(at: member)
            || existing.stamps.mtimes[found] != self.stamps.mtime(of: member)
        if differs, kind != .directory {
            self.plan.obsolete.append(found)
            self.plan.absent.append(member)
        }
        return differs
    }

    /// Decides about all files of the right size by their digests, hashing those that the stat cache does not know.
    ///
    /// - Returns: Whether a file could not be decided about.
    private mutating func settleCandidates(_ existing: ScannedTree) -> Bool {
        guard !self.contentDigests.isEmpty || self.members.count == 0 else { return !self.candidates.isEmpty }
        let verdicts = CandidateHashing(existing, self.candidates.map(\.found), threads: self.threads).run()
        var records: [StatCache.Record] = []
        for (candidate, verdict) in zip(self.candidates, verdicts) {
            guard let verdict else { continue }
            let ordinal = Int(self.layout.ordinals[candidate.member])
            let detail = existing.details[candidate.found]
            records.append(
                StatCache.Record(
                    pathHash: existing.members.withPath(at: candidate.found) { StatCache.hash($0) },
                    size: Int64(existing.members.size(at: candidate.found)),
                    modified: existing.stamps.mtimes[candidate.found],
                    changed: detail.changed,
                    inode: detail.inode,
                    digest: verdict.digest,
                    stamp: verdict.stamp ?? 0,
                    hasStamp: verdict.stamp == nil ? 0 : 1
                )
            )
            guard verdict.digest == self.contentDigests[ordinal] else { continue }
            let isExact =
                existing.members.mode(at: candidate.found) == self.members.mode(at: candidate.member)
                && existing.stamps.mtimes[candidate.found] == self.stamps.mtime(of: candidate.member)
                && verdict.stamp ?? 0 == self.stamps.pycStamps[candidate.member] ?? 0
            self.plan.fates[candidate.member] = isExact ? .keep : .reuse
            if !isExact { self.plan.reusedScanPositions.insert(candidate.found) }
        }
        self.plan.statCache = StatCache(records, scanStart: existing.scanStart)
        return false
    }

    private mutating func countFates() {
        var needed = [Bool](repeating: false, count: self.layout.chunkCount)
        for (ordinal, member) in self.layout.files.enumerated() {
            switch self.plan.fates[member] {
            case .keep: self.plan.filesToKeep += 1
            case .reuse: self.plan.filesToReuse += 1
            case .write:
                self.plan.filesToWrite += 1
                for chunk in self.layout.chunks(ofFile: ordinal, size: self.members.size(at: member)) {
                    needed[chunk] = true
                }
            }
        }
        self.plan.neededChunks = needed.indices.filter { needed[$0] }
        self.plan.neededSize = self.plan.neededChunks.reduce(0) {
            $0 + self.layout.chunkStarts[$1 + 1] - self.layout.chunkStarts[$1]
        }
    }

    private func topLevelNames(from depth: Int) -> Set<[UInt8]> {
        var names: Set<[UInt8]> = []
        for member in self.members.indices {
            self.members.withPath(at: member) { path in
                if path.count > depth, !path.dropping(depth).contains(UInt8(ascii: "/")) {
                    names.insert(Array(path.dropping(depth)))
                }
            }
        }
        return names
    }

    /// Whether an extra name of the target makes it differ from the layer.
    private func isForeign(
        _ list: MemberList,
        _ index: Int,
        _ depth: Int,
        _ ours: Set<[UInt8]>,
        _ isInPlace: Bool
    ) -> Bool {
        guard isInPlace else { return true }
        return list.withPath(at: index) { path in
            let rest = path.dropping(depth)
            return ours.contains(Array(rest.prefix { $0 != UInt8(ascii: "/") }))
        }
    }

    private func isBefore(_ list: MemberList, _ index: Int, _ member: Int) -> Bool {
        list.withPath(at: index) { path in
            self.members.withPath(at: member) { wanted in
                CanonicalOrder.areInIncreasingOrder(
                    path,
                    isDirectory: list.kind(at: index) == .directory,
                    wanted,
                    isDirectory: self.members.kind(at: member) == .directory
                )
            }
        }
    }

    private func isSamePath(_ list: MemberList, _ index: Int, _ member: Int) -> Bool {
        list.withPath(at: index) { path in
            self.members.withPath(at: member) { path.elementsEqual($0) }
        }
            && (list.kind(at: index) == .directory) == (self.members.kind(at: member) == .directory)
    }
}

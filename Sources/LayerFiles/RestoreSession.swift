internal import CLinux
internal import CacheModel
internal import Glibc
internal import LayerFormat
internal import Synchronization

/// One restore between ``TreeRestorer/prepare()`` and its end.
final class RestoreSession: Sendable {
    let writer: ChunkWriter
    private let root: LayerRoot
    private let plan: RestorePlan
    private let area: StagingArea
    private let tree: StagedTree
    /// The target itself, if it is changed in place.
    private let target: Descriptor
    private let own = Mutex(RestoreCounters())
    private let existing: ScannedTree?
    /// Whether the old tree becomes the new one, instead of being replaced by it.
    private let isAmended: Bool
    private let restored: RestoredFiles?

    /// Removes what earlier restores left behind and creates the staging directory.
    init(
        root: LayerRoot,
        members: MemberList,
        stamps: RestoreStamps,
        layout: RestoreLayout,
        plan: RestorePlan,
        existing: ScannedTree?,
        remembers: Bool,
        threads: Int
    ) throws(TreeError) {
        self.root = root
        self.plan = plan
        self.existing = existing
        self.isAmended = plan.amends(existing, members)
        if plan.isInPlace, !root.isAnchor {
            self.target = Descriptor(Self.openTarget(root))
            guard self.target.number >= 0 else { throw TreeError(errno: errno, "open directory", root.path) }
        } else {
            self.target = Descriptor(-1)
        }
        let parent = self.target.number >= 0 ? self.target.number : root.base
        let stagedName = self.target.number >= 0 ? [] : root.name
        StagingArea.removeLeftovers(of: stagedName, in: parent)
        self.area = try StagingArea(in: parent, for: stagedName)
        self.tree = StagedTree(
            members: members,
            stamps: stamps,
            strip: root.strip,
            directory: self.area.directory,
            withheldMode: self.area.withheldMode,
            threads: threads
        )
        self.restored = remembers ? RestoredFiles(layout) : nil
        // Files that are put into an old tree look different once they have been moved there.
        self.writer = ChunkWriter(
            tree: self.tree,
            layout: layout,
            plan: plan,
            restored: self.isAmended ? nil : self.restored
        )
    }

    /// Opens a target that is a directory.
    static func openTarget(_ root: LayerRoot) -> Int32 {
        LayerRoot.withName(root.name[...]) { tarn_open_beneath(root.base, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0) }
    }

    /// What was done so far.
    var counters: RestoreCounters {
        var counters = self.own.withLock { $0 }
        counters.add(self.writer.counters)
        return counters
    }

    /// What to remember of the new tree, once it is in place.
    func statCache(_ contentDigests: [Digest]) -> StatCache {
        self.restored?.statCache(self.tree.members, self.tree.stamps, contentDigests) ?? StatCache()
    }

    /// Creates the directories and brings over what stays of the old tree.
    func prepare() throws(TreeError) {
        guard !self.isAmended else { return try self.prepareWrittenFiles() }
        let directories = try self.tree.makeDirectories()
        self.own.withLock { $0.directories = directories }
        guard let existing = self.existing else { return }
        // The scan's members stand in the same order; each kept or reused file has one with its path.
        var pairs: [(member: Int, found: Int)] = []
        var found = 0
        for member in self.tree.members.indices where self.plan.fates[member] != .write {
            while !Self.isSamePath(self.tree.members, member, existing.members, found) { found += 1 }
            pairs.append((member, found))
        }
        try self.bringOver(pairs, existing)
    }

    /// Creates the directories that files are written to before the old tree is amended with them.
    private func prepareWrittenFiles() throws(TreeError) {
        let members = self.tree.members
        var wanted: Set<[UInt8]> = []
        for index in members.indices where members.kind(at: index) == .file && self.plan.fates[index] == .write {
            var path = members.path(at: index)[...]
            while let slash = path.lastIndex(of: UInt8(ascii: "/")) {
                path = path[..<slash]
                guard wanted.insert(Array(path)).inserted else { break }
            }
        }
        _ = try self.tree.makeDirectories { wanted.contains(members.path(at: $0)) }
        self.own.withLock { counters in
            counters.filesKept = self.plan.filesToKeep
            counters.filesReused = self.plan.filesToReuse
            counters.directories = self.plan.absent.count { members.kind(at: $0) == .directory }
        }
    }

    private func bringOver(_ pairs: [(member: Int, found: Int)], _ existing: ScannedTree) throws(TreeError) {
        try WorkerGroup.forEach(count: pairs.count, threads: self.tree.threads, batch: 256) { range throws(TreeError) in
            var old = ParentCache(base: self.root.base)
            var new = ParentCache(base: self.area.directory)
            var path = PathBuffer()
            var counters = RestoreCounters()
            for (member, found) in pairs[range] {
                let status = (
                    inode: existing.details[found].inode,
                    size: existing.members.size(at: found),
                    modified: existing.stamps.mtimes[found]
                )
                if self.plan.fates[member] == .keep, try self.tree.keep(member, from: &old, &new, status: status) {
                    counters.filesKept += 1
                } else {
                    try self.tree.copy(member, from: self.root.base, &path)
                    counters.filesReused += 1
                }
            }
            self.own.withLock { $0.add(counters) }
        }
    }

    static func isSamePath(_ first: MemberList, _ index: Int, _ second: MemberList, _ other: Int) -> Bool {
        second.kind(at: other) != .directory
            && first.withPath(at: index) { path in second.withPath(at: other) { path.elementsEqual($0) } }
    }

    /// Makes the staged tree complete.
    func complete() throws(TreeError) {
        try self.writer.finish()
        if !self.isAmended { try self.tree.finish() }
    }

    /// Swaps the staged tree into place and removes the old one with the staging directory.
    func swap() throws(TreeError) {
        if self.isAmended, let existing = self.existing {
            return try TreeAmendment(self.tree, existing, self.plan, root: self.root).apply(noting: self.restored)
        }
        guard self.plan.isInPlace else {
            guard self.tree.members.count > 0 else { return }
            guard TreeSwap.swap(self.root.name, from: self.area.directory, into: self.root.base) else {
                throw TreeError(errno: errno, "put into place", self.root.path, remedy: "the target is as it was")
            }
            return
        }
        if let name = self.swapChildren() {
            let remedy = "the target is changed in place and may be a mixture now; restore again"
            throw TreeError(errno: errno, "put into place", name, remedy: remedy)
        }
        // Removing the staging directory changes the time of the directory that it stands in.
        self.area.remove()
        guard self.target.number >= 0 else { return }
        let time = splitTime(self.tree.stamps.mtime(of: 0))
        guard fchmod(self.target.number, mode_t(self.tree.members.mode(at: 0))) == 0,
            tarn_set_mtime(self.target.number, time.seconds, time.nanoseconds) == 0
        else { throw TreeError(errno: errno, "set mode and time of", self.root.path) }
    }

    private func swapChildren() -> [UInt8]? {
        guard self.target.number >= 0 else {
            return TreeSwap.swapChildren(of: self.area.directory, into: self.root.base)
        }
        let staged = LayerRoot.withName(self.root.name[...]) {
            tarn_open_beneath(self.area.directory, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)
        }
        let descriptor = Descriptor(staged)
        guard descriptor.number >= 0 else { return self.root.name }
        fchmod(descriptor.number, 0o700)
        return TreeSwap.swapChildren(of: descriptor.number, into: self.target.number)
    }

    /// Removes the staging directory and whatever is in it.
    func remove() { self.area.remove() }
}

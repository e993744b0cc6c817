internal import CLinux
internal import Glibc
internal import LayerFormat

/// Changes the old tree into the new one where little of it differs, instead of building a new one beside it.
///
/// The tree has no name while it is changed: it is moved into the staging directory, amended there and moved back. Whoever
/// looks at the target finds the old tree, the new one, or for a moment none, but never a mixture. All content was
/// written and checked beforehand; what is left takes milliseconds.
struct TreeAmendment: ~Copyable {
    /// The new tree, which so far has only the files whose content came from chunks.
    private let staged: StagedTree
    /// The same tree, where the old one is amended.
    private let amended: StagedTree
    private let existing: ScannedTree
    private let plan: RestorePlan
    private let root: LayerRoot
    private let place: Descriptor
    private static let placeName = "amended"

    /// Makes the place in the staging directory.
    init(_ staged: StagedTree, _ existing: ScannedTree, _ plan: RestorePlan, root: LayerRoot) throws(TreeError) {
        guard mkdirat(staged.directory, Self.placeName, 0o700) == 0 else {
            throw TreeError(errno: errno, "create directory", Self.placeName.utf8)
        }
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
        let place = Descriptor(tarn_openat(staged.directory, Self.placeName, flags, 0))
        guard place.number >= 0 else { throw TreeError(errno: errno, "open directory", Self.placeName.utf8) }
        self.staged = staged
        self.amended = staged.standing(in: place.number)
        self.place = place
        self.existing = existing
        self.plan = plan
        self.root = root
    }

    /// Takes the old tree away, changes it, and puts it back.
    ///
    /// - Parameter restored: Where to note what the files look like then, if somebody wants to know.
    /// - Throws: ``TreeError``; what was taken away then stays away.
    func apply(noting restored: RestoredFiles?) throws(TreeError) {
        let isAway = LayerRoot.withName(self.root.name[...]) { name in
            renameat(self.root.base, name, self.place.number, name) == 0
        }
        guard isAway else {
            throw TreeError(errno: errno, "move aside", self.root.path, remedy: "the target is as it was")
        }
        do throws(TreeError) {
            try self.removeObsolete()
            try self.amended.make(self.plan.absent)
            try self.moveWrittenFiles()
            try self.completeReusedFiles()
            try self.amended.finishDirectories(setsModes: true)
            if let restored { self.note(in: restored) }
        } catch {
            throw error.adding("the target is gone, so that nobody takes it for whole; restore again")
        }
        guard TreeSwap.swap(self.root.name, from: self.place.number, into: self.root.base) else {
            throw TreeError(errno: errno, "put into place", self.root.path, remedy: "the target is gone; restore again")
        }
    }

    /// Removes what the new tree does not have; directories stand before what is in them.
    private func removeObsolete() throws(TreeError) {
        var parents = ParentCache(base: self.place.number)
        for index in self.plan.obsolete.reversed() {
            let flag = self.existing.members.kind(at: index) == .directory ? AT_REMOVEDIR : 0
            let parent = self.existing.members.withPath(at: index) { parents.open($0.dropping(self.root.strip)) }
            guard parent >= 0, unlinkat(parent, parents.name, flag) == 0 else {
                throw TreeError(errno: errno, "remove", self.existing.members.path(at: index))
            }
        }
    }

    private func moveWrittenFiles() throws(TreeError) {
        var sources = ParentCache(base: self.staged.directory)
        var targets = ParentCache(base: self.place.number)
        let members = self.staged.members
        for index in members.indices where members.kind(at: index) == .file && self.plan.fates[index] == .write {
            let isMoved = members.withPath(at: index) { path in
                let path = path.dropping(self.root.strip)
                let (source, target) = (sources.open(path), targets.open(path))
                return source >= 0 && target >= 0 && renameat(source, sources.name, target, targets.name) == 0
            }
            guard isMoved else { throw self.staged.error(errno, "put into place", index) }
        }
    }

    private func note(in restored: RestoredFiles) {
        var parents = ParentCache(base: self.place.number)
        var (status, found) = (stat(), 0)
        let (members, old) = (self.staged.members, self.existing)
        for index in members.indices where members.kind(at: index) == .file {
            if self.plan.fates[index] == .keep {
                // The scan's members stand in the same order, and each file that is kept has one with its path.
                while !RestoreSession.isSamePath(members, index, old.members, found) { found += 1 }
                restored.note(index, old.details[found], scanStart: old.scanStart)
                continue
            }
            let parent = members.withPath(at: index) { parents.open($0.dropping(self.root.strip)) }
            guard parent >= 0, fstatat(parent, parents.name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            restored.note(index, status)
        }
    }

    private func completeReusedFiles() throws(TreeError) {
        let (amended, members) = (self.amended, self.staged.members)
        let reused = members.indices.filter { members.kind(at: $0) == .file && self.plan.fates[$0] == .reuse }
        try WorkerGroup.forEach(count: reused.count, threads: self.staged.threads, batch: 256) {
            range throws(TreeError) in
            var path = PathBuffer()
            for position in range { try amended.correct(reused[position], &path) }
        }
    }
}

extension RestorePlan {
    /// The part of the members that may be new, gone or changed in a tree that is amended.
    private static let smallShare = 4

    /// Whether to amend the old tree: little differs, and nothing in it needs more care than renaming and removing.
    func amends(_ existing: ScannedTree?, _ members: MemberList) -> Bool {
        guard let existing, !self.isInPlace, existing.warnings.isEmpty, members.count > 0, self.matchedRoot else {
            return false
        }
        let changes = self.filesToWrite + self.obsolete.count + self.absent.count
        guard changes * Self.smallShare <= members.count else { return false }
        // A file with another name is not for us to change.
        return Self.isSimple(members) && Self.isSimple(existing.members)
            && !self.reusedScanPositions.contains { existing.details[$0].isShared }
    }

    /// Whether a tree has no hardlinks, and only directories that their owner can change.
    private static func isSimple(_ members: MemberList) -> Bool {
        members.indices.allSatisfy { index in
            switch members.kind(at: index) {
            case .directory: members.mode(at: index) & 0o700 == 0o700
            case .hardlink: false
            case .file, .symlink: true
            }
        }
    }
}

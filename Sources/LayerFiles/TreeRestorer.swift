public import CacheModel
internal import CLinux
internal import Glibc
public import LayerFormat
internal import Synchronization

/// Restores one layer beside its target and swaps it into place.
///
/// The order of calls is ``plan()``, ``prepare()``, ``write(chunk:_:)`` for every chunk that the plan needs, in any
/// order and from several threads, and ``finish()``. Until the swap in ``finish()`` the old tree is not touched; a
/// process that is killed leaves the old tree or the new one, and a staging directory that the next restore removes.
///
/// Files that are right already are hard-linked from the old tree, files of which only time, mode or stamp differ are
/// copied from it. Where little differs, the old tree itself is amended in the staging directory: for the few
/// milliseconds that this takes the target has no tree, and a process that is killed then leaves none. A symbolic link at the target's own path is replaced, not followed.
///
/// The target is changed in place, one top-level name after the other and so *not* atomically, where the directory has
/// to stay: for the path `.`, for a mount point, and for a directory that the process works in or below. Top-level names
/// that the layer doesn't have stay in these cases.
public final class TreeRestorer: Sendable {
    /// How to restore.
    public struct Options: Sendable {
        /// Whether files of the old tree may be reused; without it everything is written.
        public var reusesFiles: Bool
        /// What is known of the target from earlier scans.
        public var statCache: StatCache?
        /// The number of threads for everything but the chunks, which come on the caller's.
        public var threads: Int

        /// Creates options.
        public init(reusesFiles: Bool = true, statCache: StatCache? = nil, threads: Int? = nil) {
            self.reusesFiles = reusesFiles
            self.statCache = statCache
            self.threads = threads ?? WorkerGroup.defaultCount
        }
    }

    private let anchor: String
    private let path: String
    private let recipe: Recipe
    private let stamps: RestoreStamps
    private let contentDigests: [Digest]
    private let options: Options
    private let layout: RestoreLayout
    private let failure = FirstError()
    private let phase = Mutex(Phase.new)
    private let session = Mutex<RestoreSession?>(nil)
    private let learnt = Mutex(StatCache())

    /// What was learnt of the new tree's files; saved, it makes the next look at them a walk.
    ///
    /// Empty before ``finish()``. Known are only those whose content digest is, and of them those that got their names in this restore or keep
    /// their place in the old tree.
    public var statCache: StatCache { self.learnt.withLock { $0 } }

    private enum Phase {
        case new
        case planned(RestorePlan, ScannedTree?)
        case prepared
        case ended
    }

    /// Creates a restorer and checks everything that it relies on.
    ///
    /// - Parameters:
    ///   - anchor: An absolute directory, which exists.
    ///   - path: The layer's path below it, or `.`; missing parents are created.
    ///   - recipe: The layer.
    ///   - stamps: Times, `.pyc` stamps and maps of holes; without times everything is of 1970.
    ///   - contentDigests: One digest for each file; without them nothing on disk can be recognised.
    ///   - options: How to restore.
    /// - Throws: ``TreeError`` with the code ``TreeError/Code/invalidLayer``.
    public init(
        anchor: String,
        path: String,
        recipe: Recipe,
        stamps: Stamps,
        contentDigests: [Digest]? = nil,
        options: Options = Options()
    ) throws(TreeError) {
        do throws(LayerFormatError) { try recipe.members.validate(root: path) } catch {
            throw TreeError(.invalidLayer, error.description)
        }
        self.anchor = anchor
        self.path = path
        self.recipe = recipe
        self.stamps = try RestoreStamps(stamps, members: recipe.members)
        self.layout = try RestoreLayout(recipe)
        self.options = options
        self.contentDigests = contentDigests ?? []
        guard self.contentDigests.isEmpty || self.contentDigests.count == self.layout.files.count else {
            throw TreeError(
                .invalidLayer,
                "the layer has \(self.layout.files.count) files, but \(self.contentDigests.count) content digests"
            )
        }
    }

    deinit { self.abort() }

    /// Looks at the target and says what has to be done; changes nothing.
    public func plan() throws(TreeError) -> RestorePlan {
        var inspection = TargetInspection(
            members: self.recipe.members,
            stamps: self.stamps,
            contentDigests: self.contentDigests,
            layout: self.layout,
            threads: self.options.threads
        )
        let (existing, isInPlace) = self.inspect()
        let plan = inspection.makePlan(existing: existing, isInPlace: isInPlace)
        self.phase.withLock { phase in
            switch phase {
            case .new, .planned: phase = .planned(plan, existing)
            case .prepared, .ended: break
            }
        }
        return plan
    }

    /// Scans the target without reading files.
    ///
    /// What cannot be scanned cannot be reused, and is no error.
    private func inspect() -> (ScannedTree?, isInPlace: Bool) {
        guard let root = try? LayerRoot(anchor: self.anchor, path: self.path, createsParents: false) else {
            return (nil, self.path == ".")
        }
        let isInPlace = self.mustStay(root)
        guard self.options.reusesFiles else { return (nil, isInPlace) }
        var options = TreeScanner.Options(skipsSpecialFiles: true, threads: self.options.threads)
        options.hashesContent = false
        let scanner = TreeScanner(
            anchor: self.anchor,
            path: self.path,
            options: options,
            statCache: self.options.statCache
        )
        return (try? scanner.scan(root), isInPlace)
    }

    private func mustStay(_ root: LayerRoot) -> Bool {
        guard !root.isAnchor else { return true }
        guard self.recipe.members.count > 0, self.recipe.members.kind(at: 0) == .directory else { return false }
        let target = Descriptor(RestoreSession.openTarget(root))
        return target.number >= 0 && TreeSwap.mustStay(target.number)
    }

    /// Removes what restores of this path that were killed have left beside the target, or in it.
    ///
    /// ``prepare()`` does the same; this is for a target where nothing needs to be prepared.
    public func removeLeftovers() {
        guard let root = try? LayerRoot(anchor: self.anchor, path: self.path, createsParents: false) else { return }
        guard self.mustStay(root), !root.isAnchor else {
            return StagingArea.removeLeftovers(of: root.name, in: root.base)
        }
        let target = Descriptor(RestoreSession.openTarget(root))
        if target.number >= 0 { StagingArea.removeLeftovers(of: [], in: target.number) }
    }

    /// Makes the staging directory, all directories in it, and everything that comes from the old tree.
    ///
    /// Calls ``plan()`` if nobody did.
    ///
    /// - Throws: ``TreeError``; nothing is left behind then.
    public func prepare() throws(TreeError) {
        if case .new = self.phase.withLock({ $0 }) { _ = try self.plan() }
        guard case .planned(let plan, let existing) = self.phase.withLock({ $0 }) else {
            throw TreeError(.incomplete, "the restore was prepared before")
        }
        do throws(TreeError) {
            let root = try LayerRoot(anchor: self.anchor, path: self.path, createsParents: true)
            let session = try RestoreSession(
                root: root,
                members: self.recipe.members,
                stamps: self.stamps,
                layout: self.layout,
                plan: plan,
                existing: existing,
                remembers: !self.contentDigests.isEmpty,
                threads: self.options.threads
            )
            self.session.withLock { $0 = session }
            try session.prepare()
            self.phase.withLock { $0 = .prepared }
        } catch {
            self.abort()
            throw error.adding("the target is as it was")
        }
    }

    /// Writes everything that one chunk contributes to files; from any thread, in any order.
    ///
    /// The bytes are not compared with the chunk's digest here: whoever decompressed them did that.
    ///
    /// - Parameters:
    ///   - chunk: The chunk's position in the recipe. A second call for the same one does nothing.
    ///   - bytes: All its raw bytes.
    /// - Throws: ``TreeError``; the restore has failed then, and every later call throws too.
    public func write(chunk: Int, _ bytes: UnsafeRawBufferPointer) throws(TreeError) {
        try self.failure.rethrow()
        guard let session = self.session.withLock({ $0 }) else {
            throw TreeError(.incomplete, "the restore is not prepared or has ended")
        }
        do throws(TreeError) {
            try session.writer.write(chunk, bytes)
        } catch {
            let error = error.adding("the target is as it was")
            self.failure.set(error)
            throw error
        }
    }

    /// Completes the new tree, swaps it into place and removes the old one.
    ///
    /// - Returns: What was done.
    /// - Throws: ``TreeError``; the target is as it was then, unless the message says that it is changed in place.
    public func finish() throws(TreeError) -> RestoreCounters {
        guard let session = self.session.withLock({ $0 }) else {
            throw TreeError(.incomplete, "the restore is not prepared or has ended")
        }
        defer { self.abort() }
        try self.failure.rethrow()
        do throws(TreeError) {
            try session.complete()
        } catch {
            throw error.adding("the target is as it was")
        }
        try session.swap()
        let learnt = session.statCache(self.contentDigests)
        self.learnt.withLock { $0 = learnt }
        return session.counters
    }

    /// Gives up and removes what was prepared.
    ///
    /// Does nothing once the restore has ended.
    public func abort() {
        let session = self.session.withLock { session in
            defer { session = nil }
            return session
        }
        session?.remove()
        self.phase.withLock { $0 = .ended }
    }
}

internal import CLinux
internal import CacheModel
internal import Glibc
internal import LayerFormat

/// Notes what the files of a new tree look like once they are complete, so that the next look at the tree is a walk.
///
/// Unchecked because of the slots: each is written by the one thread that completes its file, and read when all threads
/// have ended.
final class RestoredFiles: @unchecked Sendable {
    private struct Slot {
        var inode: UInt64 = 0
        var changed: Int64 = 0
        /// Whether it was trusted before this restore.
        var isTrusted = false
    }

    /// How much older, in ns, a file's saved time must be than its completion.
    ///
    /// Whoever writes to the file later gives it a time of then. Only where the saved time is of then, too, could such a
    /// write leave everything as it was noted. Some file systems keep two seconds as one time.
    private static let freshness: Int64 = 2_000_000_000

    private let layout: RestoreLayout
    private let slots: UnsafeMutableBufferPointer<Slot>

    init(_ layout: RestoreLayout) {
        self.layout = layout
        self.slots = .allocate(capacity: layout.files.count)
        self.slots.initialize(repeating: Slot())
    }

    deinit { self.slots.deallocate() }

    /// Notes a file of which nothing will be changed any more; one that cannot be asked is not remembered.
    func note(_ member: Int, _ file: Int32) {
        var status = stat()
        if fstat(file, &status) == 0 { self.note(member, status) }
    }

    /// Notes what a file looks like.
    func note(_ member: Int, _ status: stat) {
        self.slots[Int(self.layout.ordinals[member])] = Slot(inode: UInt64(status.st_ino), changed: status.changed)
    }

    /// Notes a file that looks as it did in a scan that began at `scanStart`, ns since 1970.
    func note(_ member: Int, _ detail: ScannedTree.Detail, scanStart: Int64) {
        guard detail.changed <= scanStart - StatCache.racyWindow(changed: detail.changed) else { return }
        self.slots[Int(self.layout.ordinals[member])] = Slot(
            inode: detail.inode,
            changed: detail.changed,
            isTrusted: true
        )
    }

    /// What to remember of a tree that is complete.
    ///
    /// - Parameters:
    ///   - members: The tree's members.
    ///   - stamps: Their times and stamps, which they have now.
    ///   - contentDigests: One digest for each file.
    /// - Returns: The files that can be trusted.
    func statCache(_ members: MemberList, _ stamps: RestoreStamps, _ contentDigests: [Digest]) -> StatCache {
        var records: [StatCache.Record] = []
        records.reserveCapacity(self.slots.count)
        for (ordinal, member) in self.layout.files.enumerated() where self.slots[ordinal].inode != 0 {
            let (slot, modified) = (self.slots[ordinal], stamps.mtime(of: member))
            guard slot.isTrusted || modified <= slot.changed - Self.freshness else { continue }
            let stamp = stamps.pycStamps[member]
            records.append(
                StatCache.Record(
                    pathHash: members.withPath(at: member) { StatCache.hash($0) },
                    size: Int64(members.size(at: member)),
                    modified: modified,
                    changed: slot.changed,
                    inode: slot.inode,
                    digest: contentDigests[ordinal],
                    stamp: stamp ?? 0,
                    hasStamp: stamp == nil ? 0 : 1
                )
            )
        }
        return StatCache(trusted: records)
    }
}

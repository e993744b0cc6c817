public import CacheModel
internal import Glibc
public import LayerFormat

/// One saved path as a scan found it.
public struct ScannedTree: LayerSource {
    /// The members in canonical order.
    public let members: MemberList
    /// Modification times, `.pyc` stamps and maps of holes.
    public let stamps: Stamps
    /// The digest of each file's normalised content, in member order; empty if the files were not read.
    public let contentDigests: [Digest]
    /// The digest over members and content.
    public let treeDigest: Digest
    /// What a person should know, one sentence each.
    public let warnings: [String]
    /// The number of files that were read and hashed.
    public let hashedCount: Int
    /// The number of files whose digest came from the stat cache.
    public let cachedCount: Int
    /// The bytes of all files.
    public let totalSize: Int
    /// What to remember for the next scan of this tree.
    public let statCache: StatCache
    let root: LayerRoot
    /// When the scan began, in ns since 1970.
    let scanStart: Int64
    /// For each member: inode, change time and, from a stat cache, digest and stamp; what a restore compares.
    let details: [Detail]

    struct Detail: Sendable {
        var changed: Int64
        var inode: UInt64
        var isShared: Bool
        var stamp: UInt32?
        var digest: Digest?
    }

    /// A reader of the files' raw bytes.
    public func makeReader() -> any LayerReader { TreeReader(self) }

    init(root: LayerRoot, workers: [ScanWorker], scanStart: Int64) throws(TreeError) {
        let order = Self.sortedKeys(of: workers)
        guard order.count <= MemberList.maximumCount else {
            throw TreeError(
                .invalidLayer,
                "'\(root.anchor)' has \(order.count) members, more than \(MemberList.maximumCount); save fewer paths"
            )
        }
        var builder = ScanBuilder(capacity: order.count)
        for key in order { builder.append(workers[Int(key.worker)], Int(key.entry)) }
        self.root = root
        self.scanStart = scanStart
        self.members = builder.members
        self.stamps = builder.stamps
        self.contentDigests = builder.isComplete ? builder.contentDigests : []
        self.details = builder.details
        self.hashedCount = builder.hashedCount
        self.cachedCount = builder.cachedCount
        self.totalSize = builder.totalSize
        self.warnings = workers.flatMap(\.warnings)
        self.statCache = StatCache(builder.records, scanStart: scanStart)
        self.treeDigest = TreeDigest.digest(
            of: builder.isComplete ? builder.members : MemberList(),
            contentDigests: self.contentDigests
        )
    }

    /// The entries of all workers in canonical order; a list of its own, because entries are big.
    private static func sortedKeys(of workers: [ScanWorker]) -> [SortKey] {
        var keys: [SortKey] = []
        keys.reserveCapacity(workers.reduce(0) { $0 + $1.entries.count })
        for (number, worker) in workers.enumerated() {
            for (position, entry) in worker.entries.enumerated() {
                keys.append(
                    SortKey(
                        path: worker.path(of: entry),
                        isDirectory: entry.kind == .directory,
                        worker: Int32(number),
                        entry: Int32(position)
                    )
                )
            }
        }
        keys.sort()
        return keys
    }
}

/// An entry's place in the canonical order.
///
/// The pointer is into a worker's arena, which neither moves nor grows any more.
private struct SortKey: Comparable {
    let path: UnsafeBufferPointer<UInt8>
    /// 0 for directories; else one more than the first seven bytes of the extension as a big-endian number.
    let rank: UInt64
    let worker: Int32
    let entry: Int32

    init(path: UnsafeBufferPointer<UInt8>, isDirectory: Bool, worker: Int32, entry: Int32) {
        self.path = path
        self.worker = worker
        self.entry = entry
        guard !isDirectory else {
            self.rank = 0
            return
        }
        let text = CanonicalOrder.pathExtension(of: path)
        var rank: UInt64 = 0
        for position in 0..<7 { rank = rank << 8 | (position < text.count ? UInt64(text[position]) : 0) }
        self.rank = rank + 1
    }

    static func == (first: Self, second: Self) -> Bool {
        first.rank == second.rank && first.path.elementsEqual(second.path)
    }

    static func < (first: Self, second: Self) -> Bool {
        guard first.rank == second.rank else { return first.rank < second.rank }
        // Equal ranks mean equal extensions only up to seven bytes, or a name with bytes of 0, which none has.
        if first.rank != 0, (first.rank - 1) & 0xff != 0 {
            return CanonicalOrder.areInIncreasingOrder(
                first.path,
                isDirectory: false,
                second.path,
                isDirectory: false
            )
        }
        guard let one = first.path.baseAddress, let other = second.path.baseAddress else { return false }
        let order = memcmp(one, other, min(first.path.count, second.path.count))
        return order == 0 ? first.path.count < second.path.count : order < 0
    }
}

/// Puts sorted entries together.
private struct ScanBuilder {
    var members = MemberList()
    var stamps = Stamps()
    var contentDigests: [Digest] = []
    var details: [ScannedTree.Detail] = []
    var records: [StatCache.Record] = []
    var hashedCount = 0
    var cachedCount = 0
    var totalSize = 0
    /// Whether each file has a digest.
    var isComplete = true
    private var firstNames: [FileIdentity: [UInt8]] = [:]

    private struct FileIdentity: Hashable {
        var device: UInt64
        var inode: UInt64
    }

    init(capacity: Int) {
        self.stamps.mtimes.reserveCapacity(capacity)
        self.details.reserveCapacity(capacity)
    }

    mutating func append(_ worker: ScanWorker, _ position: Int) {
        let entry = worker.entries[position]
        let path = worker.path(of: entry)
        let nothing = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        self.stamps.mtimes.append(entry.modified)
        self.details.append(
            ScannedTree.Detail(
                changed: entry.changed,
                inode: entry.inode,
                isShared: entry.isShared,
                stamp: entry.stamp,
                digest: entry.digest
            )
        )
        if entry.kind == .symlink {
            let target = worker.target(of: entry)
            return self.members.append(path: path, kind: .symlink, mode: 0o777, size: 0, target: target)
        }
        guard entry.kind == .file else {
            return self.members.append(path: path, kind: .directory, mode: entry.mode, size: 0, target: nothing)
        }
        if entry.isFromCache { self.cachedCount += 1 } else if entry.digest != nil { self.hashedCount += 1 }
        self.remember(entry, path)
        if entry.isShared {
            let identity = FileIdentity(device: entry.device, inode: entry.inode)
            if let first = self.firstNames[identity] {
                return first.withUnsafeBufferPointer {
                    self.members.append(path: path, kind: .hardlink, mode: 0, size: 0, target: $0)
                }
            }
            self.firstNames[identity] = Array(path)
        }
        self.appendFile(worker, position, entry, path)
    }

    private mutating func appendFile(
        _ worker: ScanWorker,
        _ position: Int,
        _ entry: ScannedEntry,
        _ path: UnsafeBufferPointer<UInt8>
    ) {
        let member = self.members.count
        if let extents = worker.sparseFiles[position] {
            self.stamps.sparseFiles.append(Stamps.SparseFile(member: member, extents: extents))
        }
        if let stamp = entry.stamp {
            self.stamps.pycStamps.append(Stamps.PycStamp(member: member, value: stamp))
        }
        if let digest = entry.digest { self.contentDigests.append(digest) } else { self.isComplete = false }
        self.totalSize += entry.size
        let nothing = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        self.members.append(path: path, kind: .file, mode: entry.mode, size: entry.size, target: nothing)
    }

    private mutating func remember(_ entry: ScannedEntry, _ path: UnsafeBufferPointer<UInt8>) {
        guard let digest = entry.digest else { return }
        self.records.append(
            StatCache.Record(
                pathHash: StatCache.hash(path),
                size: Int64(entry.size),
                modified: entry.modified,
                changed: entry.changed,
                inode: entry.inode,
                digest: digest,
                stamp: entry.stamp ?? 0,
                hasStamp: entry.stamp == nil ? 0 : 1
            )
        )
    }
}

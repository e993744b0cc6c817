internal import CLinux
internal import CacheModel
internal import Glibc
internal import LayerFormat
internal import LayerKernels

/// Remembers the digests of a tree's files, so that hashing an unchanged tree again is only a walk.
///
/// A file is believed to be unchanged if its path, size, inode, modification and change time are. One that was changed
/// shortly before its tree was scanned is not remembered: a later write could leave all of them as they are. The file in the cache directory is private to one machine, is replaced atomically, and is ignored if damaged.
public struct StatCache: Sendable {
    /// How long before a scan, in ns, a file must have been changed last to be trusted afterwards.
    ///
    /// File systems that keep fractions of a second take the time from the kernel's tick, 10 ms at most; others keep
    /// seconds, or two of them (FAT).
    static func racyWindow(changed: Int64) -> Int64 {
        changed % 1_000_000 == 0 ? 2_000_000_000 : 100_000_000
    }
    private static let magic: UInt64 = 0x3130_5453_4e52_4154  // "TARNST01", little-endian

    /// What is remembered of one file; 88 bytes without padding that matters, written as they are.
    struct Record: Sendable {
        var pathHash: UInt64
        var size: Int64
        var modified: Int64
        var changed: Int64
        var inode: UInt64
        var digest: Digest
        var stamp: UInt32
        var hasStamp: UInt32

        var pycStamp: UInt32? { self.hasStamp == 0 ? nil : self.stamp }
    }

    private var records: [Record] = []

    /// Creates an empty cache.
    public init() {}

    /// Creates a cache of the records whose files were not changed shortly before `scanStart` (ns since 1970).
    init(_ records: [Record], scanStart: Int64) {
        self.init(trusted: records.filter { $0.changed <= scanStart - Self.racyWindow(changed: $0.changed) })
    }

    /// Creates a cache of records that are known to be trustworthy.
    init(trusted records: [Record]) {
        self.records = records
        self.records.sort { $0.pathHash < $1.pathHash }
    }

    /// The number of files that are remembered.
    public var count: Int { self.records.count }

    /// What is remembered of a file that still looks the same.
    func record(pathHash: UInt64, status: stat) -> Record? {
        self.records.withUnsafeBufferPointer { records in
            var lower = 0
            var upper = records.count
            while lower < upper {
                let middle = (lower + upper) / 2
                if records[middle].pathHash < pathHash { lower = middle + 1 } else { upper = middle }
            }
            guard lower < records.count, records[lower].pathHash == pathHash else { return nil }
            let record = records[lower]
            guard record.size == Int64(status.st_size), record.inode == UInt64(status.st_ino),
                record.modified == status.modified, record.changed == status.changed
            else { return nil }
            return record
        }
    }

    /// The hash of a path that records are found by.
    static func hash(_ path: UnsafeBufferPointer<UInt8>) -> UInt64 { FNV1a.hash(path) }
}

extension StatCache {
    /// Reads the cache of one tree.
    ///
    /// - Parameters:
    ///   - directory: Where caches are kept.
    ///   - anchor: The anchor of the tree.
    ///   - path: The path of the tree below it.
    /// - Returns: An empty cache if there is none, or none that can be used.
    public static func load(from directory: String, anchor: String, path: String) -> Self {
        let file = CacheFile(in: directory, anchor: anchor, path: path, kind: "stat")
        guard let bytes = file.read() else { return Self() }
        return bytes.withUnsafeBytes { self.decode($0, tree: CacheFile.treeDigest(anchor, path)) } ?? Self()
    }

    /// Replaces the cache of one tree atomically.
    ///
    /// - Throws: ``TreeError`` if it cannot be written; the earlier cache is still there then.
    public func save(to directory: String, anchor: String, path: String) throws(TreeError) {
        let file = CacheFile(in: directory, anchor: anchor, path: path, kind: "stat")
        try file.write(self.encode(tree: CacheFile.treeDigest(anchor, path)))
    }

    /// Magic, record size, count, digest of anchor and path; the records.
    private func encode(tree: Digest) -> [UInt8] {
        let stride = MemoryLayout<Record>.stride
        var bytes: [UInt8] = []
        bytes.reserveCapacity(56 + self.records.count * stride)
        for number in [Self.magic, UInt64(stride), UInt64(self.records.count)] {
            withUnsafeBytes(of: number) { bytes.append(contentsOf: $0) }
        }
        tree.append(to: &bytes)
        self.records.withUnsafeBytes { bytes.append(contentsOf: $0) }
        return bytes
    }

    private static func decode(_ bytes: UnsafeRawBufferPointer, tree: Digest) -> Self? {
        let headerSize = 24 + Digest.byteCount
        let stride = MemoryLayout<Record>.stride
        guard bytes.count >= headerSize else { return nil }
        let numbers = (0..<3).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self) }
        guard numbers[0] == self.magic, numbers[1] == UInt64(stride), numbers[2] < 1 << 32 else { return nil }
        guard bytes.count == headerSize + Int(numbers[2]) * stride,
            Digest(loading: UnsafeRawBufferPointer(rebasing: bytes[24...])) == tree
        else { return nil }
        var cache = Self()
        cache.records = [Record](unsafeUninitializedCapacity: Int(numbers[2])) { records, count in
            UnsafeMutableRawBufferPointer(records).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[headerSize...])
            )
            count = Int(numbers[2])
        }
        return cache
    }
}

internal import CLinux
internal import Glibc
internal import LayerFormat
internal import Synchronization

/// Walks one saved path and hashes its files, on as many threads as there are processors.
///
/// Symbolic links are members and never followed; if the saved path itself is one, the layer is that link. Staging
/// directories of restores are left out.
public struct TreeScanner: Sendable {
    /// How to scan.
    public struct Options: Sendable {
        /// Whether devices, sockets and pipes are skipped with a warning instead of ending the scan.
        public var skipsSpecialFiles: Bool
        /// The number of threads.
        public var threads: Int
        /// Whether files are read at all; without it a scan has no digests but those of the stat cache.
        var hashesContent = true

        /// Creates options.
        public init(skipsSpecialFiles: Bool = false, threads: Int? = nil) {
            self.skipsSpecialFiles = skipsSpecialFiles
            self.threads = threads ?? WorkerGroup.defaultCount
        }
    }

    private let anchor: String
    private let path: String
    private let options: Options
    private let statCache: StatCache?

    /// Creates a scanner.
    ///
    /// - Parameters:
    ///   - anchor: An absolute directory.
    ///   - path: The saved path below it, clean and relative, or `.` for the anchor's content.
    ///   - options: How to scan.
    ///   - statCache: What is known of earlier scans of the same tree; files that it knows are not read.
    public init(anchor: String, path: String, options: Options = Options(), statCache: StatCache? = nil) {
        self.anchor = anchor
        self.path = path
        self.options = options
        self.statCache = statCache
    }

    /// Scans the tree.
    ///
    /// - Throws: ``TreeError``: ``TreeError/Code/missing`` if the path does not exist, otherwise it names the file.
    public func scan() throws(TreeError) -> ScannedTree {
        let root = try LayerRoot(anchor: self.anchor, path: self.path, createsParents: false)
        return try self.scan(root)
    }

    /// Scans a tree with what `directory` remembers of its files, and remembers there what was found.
    ///
    /// - Parameters:
    ///   - anchor: An absolute directory.
    ///   - path: The path below it.
    ///   - options: How to scan.
    ///   - directory: Where stat caches are kept; `nil` to read every file.
    /// - Returns: The tree.
    /// - Throws: ``TreeError``, as ``scan()`` does. A stat cache only saves time: one that cannot be written is no error.
    public static func scan(
        anchor: String,
        path: String,
        options: Options = Options(),
        remembering directory: String?
    ) throws(TreeError) -> ScannedTree {
        let known = directory.map { StatCache.load(from: $0, anchor: anchor, path: path) }
        let tree = try Self(anchor: anchor, path: path, options: options, statCache: known).scan()
        if let directory, tree.hashedCount > 0 || tree.cachedCount != known?.count {
            try? tree.statCache.save(to: directory, anchor: anchor, path: path)
        }
        return tree
    }

    func scan(_ root: LayerRoot) throws(TreeError) -> ScannedTree {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let start = Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
        let first = ScanWorker(root: root, options: self.options, statCache: self.statCache)
        let queue = DirectoryQueue(try first.visitRoot())
        let shared = SharedScan(first: first)
        let (options, statCache) = (self.options, self.statCache)
        WorkerGroup.run(self.options.threads) { index in
            let worker = shared.claim(isFirst: index == 0) {
                ScanWorker(root: root, options: options, statCache: statCache)
            }
            while let directory = queue.next() {
                do throws(TreeError) {
                    queue.finish(adding: try worker.read(directory))
                } catch {
                    shared.failure.set(error)
                    queue.stop()
                }
            }
        }
        try shared.failure.rethrow()
        return try ScannedTree(root: root, workers: shared.workers, scanStart: start)
    }
}

/// Hands each thread its own worker and keeps them all for the end.
///
/// The lock guards the list; a worker belongs to one thread until all threads have ended.
private final class SharedScan: @unchecked Sendable {
    let failure = FirstError()
    private let list: Mutex<Int> = Mutex(0)
    private(set) var workers: [ScanWorker]

    init(first: ScanWorker) { self.workers = [first] }

    func claim(isFirst: Bool, _ make: () -> ScanWorker) -> ScanWorker {
        self.list.withLock { _ in
            if isFirst { return self.workers[0] }
            let worker = make()
            self.workers.append(worker)
            return worker
        }
    }
}

internal import Glibc
internal import Synchronization

/// A few threads that share one piece of blocking work; the caller waits for them.
///
/// They are threads of their own: system calls that block must not take the concurrency runtime's few threads away.
enum WorkerGroup {
    /// As many threads as processors, at most eight.
    static var defaultCount: Int { max(1, min(8, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

    /// Calls `body` once on each of `count` threads, one of which is the caller's, and waits for all.
    static func run(_ count: Int, _ body: @escaping @Sendable (_ worker: Int) -> Void) {
        var threads: [pthread_t] = []
        for worker in 1..<max(count, 1) {
            let context = Unmanaged.passRetained(Work(worker, body))
            var thread = pthread_t()
            let result = pthread_create(&thread, nil, Self.main, context.toOpaque())
            // Without threads the work is done by those that exist: it is shared, not divided beforehand.
            if result == 0 { threads.append(thread) } else { context.release() }
        }
        body(0)
        for thread in threads { pthread_join(thread, nil) }
    }

    /// Calls `body` with ranges that together are `0..<count`, on up to `threads` threads.
    ///
    /// - Throws: The first error; ranges not begun by then are left out.
    static func forEach(
        count: Int,
        threads: Int,
        batch: Int,
        _ body: @escaping @Sendable (Range<Int>) throws(TreeError) -> Void
    ) throws(TreeError) {
        let next = Atomic<Int>(0)
        let failure = FirstError()
        let state = ForEachState(next: next, failure: failure)
        self.run(max(1, min(threads, (count + batch - 1) / batch))) { _ in
            while !state.failure.isSet {
                let start = state.next.wrappingAdd(batch, ordering: .relaxed).oldValue
                guard start < count else { return }
                do throws(TreeError) { try body(start..<min(count, start + batch)) } catch { state.failure.set(error) }
            }
        }
        try state.failure.rethrow()
    }

    private static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { context in
        guard let context else { return nil }
        let work = Unmanaged<Work>.fromOpaque(context).takeRetainedValue()
        work.body(work.worker)
        return nil
    }
}

private final class Work: Sendable {
    let worker: Int
    let body: @Sendable (Int) -> Void

    init(_ worker: Int, _ body: @escaping @Sendable (Int) -> Void) {
        self.worker = worker
        self.body = body
    }
}

private final class ForEachState: Sendable {
    let next: Atomic<Int>
    let failure: FirstError

    init(next: consuming Atomic<Int>, failure: FirstError) {
        self.next = next
        self.failure = failure
    }
}

/// Keeps the first of several threads' errors.
final class FirstError: Sendable {
    private let error = Mutex<TreeError?>(nil)
    private let flag = Atomic<Bool>(false)

    /// Whether there is an error.
    var isSet: Bool { self.flag.load(ordering: .acquiring) }

    /// Keeps `error` unless there is one already.
    func set(_ error: TreeError) {
        self.error.withLock { if $0 == nil { $0 = error } }
        self.flag.store(true, ordering: .releasing)
    }

    /// Throws the error if there is one.
    func rethrow() throws(TreeError) {
        if let error = self.error.withLock({ $0 }) { throw error }
    }
}

/// Directories that wait to be read, the newest first: it keeps the list short and the caches warm.
///
/// The mutex guards all other properties.
final class DirectoryQueue: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var waiting: [[UInt8]]
    private var working = 0
    private var isStopped = false

    init(_ first: [[UInt8]]) {
        self.waiting = first
        self.mutex = .allocate(capacity: 1)
        self.condition = .allocate(capacity: 1)
        pthread_mutex_init(self.mutex, nil)
        pthread_cond_init(self.condition, nil)
    }

    deinit {
        pthread_mutex_destroy(self.mutex)
        pthread_cond_destroy(self.condition)
        self.mutex.deallocate()
        self.condition.deallocate()
    }

    /// The next directory, or `nil` once all are done; every answer is followed by one ``finish(adding:)``.
    func next() -> [UInt8]? {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        while !self.isStopped {
            if let directory = self.waiting.popLast() {
                self.working += 1
                return directory
            }
            if self.working == 0 { break }
            pthread_cond_wait(self.condition, self.mutex)
        }
        return nil
    }

    /// Ends the work on a directory, of which these directories were found.
    func finish(adding found: [[UInt8]]) {
        pthread_mutex_lock(self.mutex)
        self.waiting.append(contentsOf: found)
        self.working -= 1
        if found.count > 1 || self.working == 0 { pthread_cond_broadcast(self.condition) }
        pthread_mutex_unlock(self.mutex)
    }

    /// Makes everybody stop.
    func stop() {
        pthread_mutex_lock(self.mutex)
        self.isStopped = true
        pthread_cond_broadcast(self.condition)
        pthread_mutex_unlock(self.mutex)
    }
}

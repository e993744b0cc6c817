internal import CacheModel
internal import GRDB
internal import Synchronization

/// Runs concurrent transactions as one, so that they share one sync of the disk.
///
/// Each runs in a savepoint of its own: one that throws undoes only itself.
/// Nobody is answered before the common transaction is on the disk.
final class CommitQueue: Sendable {
    private struct Job: Sendable {
        /// Runs the transaction, keeps its result, and says whether it succeeded.
        var run: @Sendable (Database) -> Bool
        /// Hands the result over, or the error that undid all.
        var finish: @Sendable ((any Error)?) -> Void
    }

    private struct State {
        var waiting: [Job] = []
        var isDraining = false
    }

    /// The most transactions that share a sync.
    private static let batchLimit = 128

    private let pool: DatabasePool
    private let state = Mutex(State())
    /// How many common transactions are on the disk.
    let finished = Atomic(0)

    init(_ pool: DatabasePool) { self.pool = pool }

    /// Runs `body` in a transaction that is durable when the call returns.
    func write<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
            let result = ResultBox<Value>()
            self.enqueue(
                Job(
                    run: { database in result.store { try body(database) } },
                    finish: { error in continuation.resume(with: result.take(unless: error)) }
                )
            )
        }
    }

    private func enqueue(_ job: Job) {
        let starts = self.state.withLock { state in
            state.waiting.append(job)
            defer { state.isDraining = true }
            return !state.isDraining
        }
        if starts { self.schedule() }
    }

    private func schedule() {
        self.pool.asyncWriteWithoutTransaction { database in
            let jobs = self.state.withLock { state in
                let jobs = Array(state.waiting.prefix(Self.batchLimit))
                state.waiting.removeFirst(jobs.count)
                return jobs
            }
            self.runTogether(jobs, in: database)
            let isMore = self.state.withLock { state in
                state.isDraining = !state.waiting.isEmpty
                return state.isDraining
            }
            if isMore { self.schedule() }
        }
    }

    private func runTogether(_ jobs: [Job], in database: Database) {
        do {
            try database.inTransaction(.immediate) {
                for job in jobs {
                    try database.inSavepoint { job.run(database) ? .commit : .rollback }
                    // A full disk or an I/O error may undo the whole transaction: nothing more may run then.
                    guard database.isInsideTransaction else { throw TransactionLost() }
                }
                return .commit
            }
            self.finished.add(1, ordering: .relaxed)
            for job in jobs { job.finish(nil) }
        } catch {
            for job in jobs { job.finish(error) }
        }
    }
}

/// The transaction was undone by SQLite itself.
private struct TransactionLost: Error {}

/// The result of a transaction until the common one is committed.
private final class ResultBox<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)

    func store(_ body: () throws -> Value) -> Bool {
        do {
            let value = try body()
            self.result.withLock { $0 = .success(value) }
            return true
        } catch {
            self.result.withLock { $0 = .failure(error) }
            return false
        }
    }

    func take(unless error: (any Error)?) -> Result<Value, any Error> {
        let result = self.result.withLock { $0 }
        if case .failure(let own)? = result { return .failure(CatalogFailure.wrap(own)) }
        if let error {
            let isLost = error is TransactionLost
            return .failure(
                isLost
                    ? CacheError(.unavailable, "the database undid a transaction; try again")
                    : CatalogFailure.wrap(error)
            )
        }
        return result ?? .failure(CacheError(.unavailable, "the database did not run a transaction; try again"))
    }
}

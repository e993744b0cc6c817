package import CacheModel
internal import Synchronization

/// Lets one task at a time work on a digest, without blocking a thread.
///
/// A task takes all its digests at once or waits, so that two tasks can never
/// wait for each other.
package final class DigestGate: Sendable {
    private struct Waiter {
        var digests: Set<Digest>
        var continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var busy: Set<Digest> = []
        var waiters: [Waiter] = []
    }

    private let state = Mutex(State())

    /// Creates a gate with nobody in it.
    package init() {}

    /// Runs `body` while no other task is in the gate with one of `digests`.
    package func with<Value: Sendable>(
        _ digests: Set<Digest>,
        _ body: () async throws -> Value
    ) async throws -> Value {
        await self.enter(digests)
        defer { self.leave(digests) }
        return try await body()
    }

    private func enter(_ digests: Set<Digest>) async {
        await withCheckedContinuation { continuation in
            let isFree = self.state.withLock { state in
                guard state.busy.isDisjoint(with: digests) else {
                    state.waiters.append(Waiter(digests: digests, continuation: continuation))
                    return false
                }
                state.busy.formUnion(digests)
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    private func leave(_ digests: Set<Digest>) {
        let released = self.state.withLock { state in
            state.busy.subtract(digests)
            var released: [CheckedContinuation<Void, Never>] = []
            state.waiters.removeAll { waiter in
                guard state.busy.isDisjoint(with: waiter.digests) else { return false }
                state.busy.formUnion(waiter.digests)
                released.append(waiter.continuation)
                return true
            }
            return released
        }
        for continuation in released { continuation.resume() }
    }
}

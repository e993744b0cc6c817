internal import Synchronization

/// Lets a limited number of pieces of work run at once; others wait in order.
package final class AdmissionGate: Sendable {
    private struct State {
        var free: Int
        var nextTicket = 0
        var waiting: [(ticket: Int, continuation: CheckedContinuation<Void, any Error>)] = []
        var cancelled: Set<Int> = []
    }

    private let state: Mutex<State>

    /// Creates a gate for so many at once.
    package init(limit: Int) { self.state = Mutex(State(free: max(1, limit))) }

    /// Runs `work` as soon as there is room.
    ///
    /// - Throws: `CancellationError` if the task is cancelled while it waits, and what `work` throws.
    package func whenFree<Value: Sendable>(_ work: () async throws -> Value) async throws -> Value {
        try await self.enter()
        defer { self.leave() }
        return try await work()
    }

    private func enter() async throws {
        let ticket: Int? = self.state.withLock { state in
            guard state.free == 0 else {
                state.free -= 1
                return nil
            }
            state.nextTicket += 1
            return state.nextTicket
        }
        guard let ticket else { return }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isDecided: Result<Void, any Error>? = self.state.withLock { state in
                    if state.cancelled.remove(ticket) != nil { return .failure(CancellationError()) }
                    guard state.free == 0 else {
                        state.free -= 1
                        return .success(())
                    }
                    state.waiting.append((ticket, continuation))
                    return nil
                }
                if let isDecided { continuation.resume(with: isDecided) }
            }
        } onCancel: {
            let waiter = self.state.withLock { state in
                guard let index = state.waiting.firstIndex(where: { $0.ticket == ticket }) else {
                    state.cancelled.insert(ticket)
                    return CheckedContinuation<Void, any Error>?.none
                }
                return state.waiting.remove(at: index).continuation
            }
            waiter?.resume(throwing: CancellationError())
        }
    }

    private func leave() {
        let next = self.state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.free += 1
                return CheckedContinuation<Void, any Error>?.none
            }
            return state.waiting.removeFirst().continuation
        }
        next?.resume()
    }
}

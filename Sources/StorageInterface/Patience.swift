/// Waits for `work`, but no longer than `limit` without any progress.
///
/// What takes longer goes on unattended: a write that hangs in the kernel cannot be called back.
///
/// - Parameters:
///   - limit: How long to wait.
///   - progress: Counts what gets on meanwhile; as long as it grows from one `limit` to the next, the wait goes on.
///   - work: What is waited for.
/// - Returns: What `work` returns, or `nil` if the time is over or the caller was cancelled.
/// - Throws: What `work` throws.
package func within<Value: Sendable>(
    _ limit: Duration,
    progress: @escaping @Sendable () -> Int = { 0 },
    _ work: @escaping @Sendable () async throws -> Value
) async throws -> Value? {
    let (results, continuation) = AsyncStream.makeStream(
        of: Result<Value, any Error>?.self,
        bufferingPolicy: .bufferingOldest(1)
    )
    Task {
        do {
            continuation.yield(.success(try await work()))
        } catch {
            continuation.yield(.failure(error))
        }
    }
    let timer = Task {
        // Cancelled when the work is done; then nobody listens any more.
        var seen: Int
        repeat {
            seen = progress()
            try? await Task.sleep(for: limit)
        } while !Task.isCancelled && progress() != seen
        continuation.yield(nil)
    }
    defer { timer.cancel() }
    var iterator = results.makeAsyncIterator()
    guard let first = await iterator.next(), let result = first else { return nil }
    return try result.get()
}

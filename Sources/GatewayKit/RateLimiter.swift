package import NIOCore
internal import Synchronization

/// Token buckets: so much at once, and so much a second after that, for each of many callers.
///
/// The memory is bounded. A bucket that has filled up again is as good as none and is forgotten; while there are more
/// callers than buckets, all new ones share one.
package final class RateLimiter: Sendable {
    /// Who is counted.
    package enum Caller: Hashable, Sendable {
        /// The holder of a credential, by its public name.
        case credential(String)
        /// Whoever has the address; `nil` if it is not known.
        case address(NetworkAddress?)
        /// All for whom there is no bucket.
        case everybodyElse
    }

    private struct Bucket {
        var tokens: Double
        var at: NIODeadline
    }

    private struct State {
        var buckets: [Caller: Bucket] = [:]
        var sweptAt = NIODeadline.uptimeNanoseconds(0)
    }

    private let perSecond: Double
    private let burst: Double
    private let capacity: Int
    private let state = Mutex(State())

    /// Creates a limiter.
    ///
    /// - Parameters:
    ///   - perSecond: How fast a bucket fills.
    ///   - burst: What a full bucket holds, at least 1.
    ///   - capacity: The most buckets; one has about 100 bytes.
    package init(perSecond: Double, burst: Double, capacity: Int = 65_536) {
        (self.perSecond, self.burst, self.capacity) = (perSecond, max(1, burst), capacity)
    }

    /// Takes one out of the caller's bucket.
    ///
    /// - Returns: `nil`, or how long the caller has to wait because the bucket is empty.
    package func take(_ caller: Caller, at now: NIODeadline = .now()) -> TimeAmount? {
        self.state.withLock { state in
            let caller = self.seat(caller, &state, now)
            var bucket = self.filled(state.buckets[caller], now)
            if let wait = self.wait(bucket) { return wait }
            bucket.tokens -= 1
            state.buckets[caller] = bucket
            return nil
        }
    }

    /// How long the caller has to wait because the bucket is empty; takes nothing.
    package func wait(for caller: Caller, at now: NIODeadline = .now()) -> TimeAmount? {
        self.state.withLock { state in
            let isKnown = state.buckets[caller] != nil || state.buckets.count < self.capacity
            return self.wait(self.filled(state.buckets[isKnown ? caller : .everybodyElse], now))
        }
    }

    /// How many buckets there are.
    package var count: Int { self.state.withLock { $0.buckets.count } }

    private func seat(_ caller: Caller, _ state: inout State, _ now: NIODeadline) -> Caller {
        guard state.buckets[caller] == nil, state.buckets.count >= self.capacity else { return caller }
        // Looking at all of them for each new caller would be an attack of its own.
        if now - state.sweptAt >= .seconds(1) {
            state.sweptAt = now
            state.buckets = state.buckets.filter { self.filled($0.value, now).tokens < self.burst }
        }
        return state.buckets.count < self.capacity ? caller : .everybodyElse
    }

    private func filled(_ bucket: Bucket?, _ now: NIODeadline) -> Bucket {
        guard let bucket else { return Bucket(tokens: self.burst, at: now) }
        let seconds = Double((now - bucket.at).nanoseconds) / 1e9
        return Bucket(tokens: min(self.burst, bucket.tokens + max(0, seconds) * self.perSecond), at: now)
    }

    private func wait(_ bucket: Bucket) -> TimeAmount? {
        guard bucket.tokens < 1 else { return nil }
        return .nanoseconds(Int64(((1 - bucket.tokens) / self.perSecond * 1e9).rounded(.up)))
    }
}

package import GatewayKit
internal import Logging
internal import NIOCore
internal import Synchronization

/// Counts the open connections, all of them and those of each address.
package final class ConnectionCensus: Sendable {
    private struct State {
        var total = 0
        var ofOrigin: [NetworkAddress: Int] = [:]
    }

    private let limit: Int
    private let limitOfOrigin: Int
    private let proxies: TrustedProxies
    private let state = Mutex(State())

    /// Creates a census.
    ///
    /// - Parameters:
    ///   - limit: The most connections that are accepted.
    ///   - limitOfOrigin: The most of one address; this machine's own and trusted proxies may have any number.
    ///   - proxies: The trusted proxies.
    package init(limit: Int, limitOfOrigin: Int, proxies: TrustedProxies) {
        (self.limit, self.limitOfOrigin, self.proxies) = (limit, limitOfOrigin, proxies)
    }

    /// Whether so many connections are open that those which do nothing have to make room for others.
    package var isCrowded: Bool { self.state.withLock { $0.total * 4 > self.limit * 3 } }

    /// Counts a connection that was opened; `false` if its address has too many.
    package func enter(_ address: NetworkAddress?) -> Bool {
        self.state.withLock { state in
            if let origin = address?.origin {
                let isFree = address?.isLoopback == true || address.map(self.proxies.contains) == true
                let count = state.ofOrigin[origin, default: 0]
                guard isFree || count < self.limitOfOrigin else { return false }
                state.ofOrigin[origin] = count + 1
            }
            state.total += 1
            return true
        }
    }

    /// Counts a connection that was closed.
    package func leave(_ address: NetworkAddress?) {
        self.state.withLock { state in
            state.total -= 1
            guard let origin = address?.origin, let count = state.ofOrigin[origin] else { return }
            state.ofOrigin[origin] = count > 1 ? count - 1 : nil
        }
    }
}

/// Closes a connection at once if its address has too many.
final class ConnectionDoor: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let census: ConnectionCensus
    private let refused: Metrics.Counter
    private let logger: Logger
    private var isInside = false
    private var address: NetworkAddress?

    init(_ census: ConnectionCensus, refused: Metrics.Counter, logger: Logger) {
        (self.census, self.refused, self.logger) = (census, refused, logger)
    }

    func channelActive(context: ChannelHandlerContext) {
        // Accepted connections know their address from now on.
        self.address = NetworkAddress(peerOf: context.channel)
        self.isInside = self.census.enter(self.address)
        guard self.isInside else {
            self.refused.add(1)
            let remote = self.address.map { "\($0)" } ?? "unknown"
            self.logger.debug("connection refused: its address has too many", metadata: ["remote": "\(remote)"])
            context.close(promise: nil)
            return
        }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if self.isInside { self.census.leave(self.address) }
        self.isInside = false
        context.fireChannelInactive()
    }
}

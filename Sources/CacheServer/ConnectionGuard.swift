internal import GatewayKit
internal import Logging
internal import NIOCore
internal import NIOHTTP1

/// Keeps a connection from holding on to the server: heads, bodies and answers that do not get on end it.
///
/// It also sends `100 Continue` when a handler asks for it, and closes the connection after an answer that says
/// `Connection: close`, first its own direction and then, after a moment for the client to read, all of it.
final class ConnectionGuard: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// How long a client may go on sending what nobody reads any more.
    private static let linger = TimeAmount.seconds(5)

    private let timeouts: ServerConfiguration.Timeouts
    private let logger: Logger
    private var tick: RepeatedTask?

    private var requestsInFlight = 0
    private var hasServed = false
    private var idleSince = NIODeadline.now()
    private var isBodyOpen = false
    private var bodyBytes = 0
    /// How long the server has waited for the body since ``bodyBytes`` was last reset.
    private var waited = TimeAmount.zero
    private var waitingSince: NIODeadline?
    private var stalledSince: NIODeadline?
    private var closingSince: NIODeadline?
    private var closesAfterAnswer = false

    init(timeouts: ServerConfiguration.Timeouts, logger: Logger) {
        self.timeouts = timeouts
        self.logger = logger
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let shortest = min(self.timeouts.header, self.timeouts.idle, self.timeouts.body, self.timeouts.write)
        let interval = TimeAmount(max(.milliseconds(10), min(.seconds(1), shortest / 4)))
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        self.tick = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            let (handler, context) = bound.value
            handler.check(context)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.tick?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        self.tick?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head:
            self.requestsInFlight += 1
            self.isBodyOpen = true
            (self.bodyBytes, self.waited) = (0, .zero)
            if self.waitingSince != nil { self.waitingSince = .now() }
        case .body(let piece): self.bodyBytes += piece.readableBytes
        case .end: self.isBodyOpen = false
        }
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        if self.waitingSince == nil { self.waitingSince = .now() }
        context.read()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if let since = self.waitingSince {
            self.waited = self.waited + (.now() - since)
            self.waitingSince = nil
        }
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.stalledSince = context.channel.isWritable ? nil : .now()
        context.fireChannelWritabilityChanged()
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is ContinueEvent else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        let head = HTTPResponseHead(version: .http1_1, status: .continue)
        context.writeAndFlush(self.wrapOutboundOut(.head(head)), promise: promise)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch self.unwrapOutboundIn(data) {
        case .head(let head):
            self.closesAfterAnswer = head.headers["connection"].contains { $0.lowercased() == "close" }
            context.write(data, promise: promise)
        case .body: context.write(data, promise: promise)
        case .end:
            self.requestsInFlight -= 1
            self.hasServed = true
            self.idleSince = .now()
            guard self.closesAfterAnswer, self.closingSince == nil else {
                context.write(data, promise: promise)
                return
            }
            self.closingSince = .now()
            context.writeAndFlush(data, promise: promise)
            context.close(mode: .output, promise: nil)
        }
    }

    private func check(_ context: ChannelHandlerContext) {
        let now = NIODeadline.now()
        if let reason = self.reasonToClose(at: now) {
            self.logger.debug("connection given up", metadata: ["reason": "\(reason)"])
            self.tick?.cancel()
            context.close(mode: .all, promise: nil)
        }
    }

    private func reasonToClose(at now: NIODeadline) -> String? {
        if let since = self.closingSince, now - since >= Self.linger { return "closed by the server" }
        if let since = self.stalledSince, now - since >= TimeAmount(self.timeouts.write) { return "answer not taken" }
        if self.requestsInFlight <= 0 {
            let limit = TimeAmount(self.hasServed ? self.timeouts.idle : self.timeouts.header)
            return now - self.idleSince >= limit ? (self.hasServed ? "idle" : "slow head") : nil
        }
        return self.isBodyOpen && self.isBodyTooSlow(at: now) ? "slow body" : nil
    }

    /// Only time in which the server wanted to read counts: a body that waits for the disk is not the client's fault.
    private func isBodyTooSlow(at now: NIODeadline) -> Bool {
        let waited = self.waited + (self.waitingSince.map { now - $0 } ?? .zero)
        guard waited >= TimeAmount(self.timeouts.body) else { return false }
        let expected = Double(self.timeouts.minimumBodyRate) * Double(waited.nanoseconds) / 1e9
        if Double(self.bodyBytes) < expected { return true }
        (self.bodyBytes, self.waited) = (0, .zero)
        if self.waitingSince != nil { self.waitingSince = now }
        return false
    }
}

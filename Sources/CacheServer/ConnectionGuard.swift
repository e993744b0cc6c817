internal import GatewayKit
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL

/// Keeps a connection from holding on to the server: heads, bodies and answers that do not get on end it.
///
/// The time for the first head includes the TLS handshake. When the server is crowded, connections without a request
/// have a tenth of their time. A request that ``HeadCheck`` or the parser refuses is answered here, and the last one.
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
    /// How many requests may wait for their answers; clients that pipeline send a few.
    private static let deepestPipeline = 256
    /// What is left of a connection's time without a request when others need the place.
    private static let crowdedShare: Int64 = 10

    private let timeouts: ServerConfiguration.Timeouts
    private let census: ConnectionCensus
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
    /// Whether the last request asks for another protocol: the parser takes nothing after it.
    private var isLastRequest = false
    /// Whether what still arrives is of no interest.
    private var isRefusing = false

    init(timeouts: ServerConfiguration.Timeouts, census: ConnectionCensus, logger: Logger) {
        self.timeouts = timeouts
        self.census = census
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
        guard !self.isRefusing else { return }
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            if let problem = HeadCheck.problem(head) {
                self.refuse(problem, context)
                return
            }
            guard self.requestsInFlight < Self.deepestPipeline else {
                self.isRefusing = true
                self.giveUp("too many requests without waiting for answers", context)
                return
            }
            self.requestsInFlight += 1
            self.isLastRequest = head.headers.contains(name: "upgrade")
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

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case NIOSSLError.uncleanShutdown:
            // The client is gone without a word; what was complete was answered.
            break
        case is NIOSSLError, is BoringSSLError:
            guard !self.isRefusing else { return }
            self.isRefusing = true
            self.giveUp("no TLS: \(error)", context)
        case let error as HTTPParserError where self.requestsInFlight == 0 && !self.isRefusing:
            let isTooLarge = error == .headerOverflow
            self.refuse(
                isTooLarge
                    ? .init(.requestHeaderFieldsTooLarge, "the request's head is too large")
                    : .init("this is no HTTP/1.1 request"),
                context
            )
        default: if !self.isRefusing { context.fireErrorCaught(error) }
        }
    }

    /// Answers what cannot be a request, and nothing after it.
    ///
    /// Behind requests that are not answered yet it is left to whoever answers those.
    private func refuse(_ problem: HeadCheck.Problem, _ context: ChannelHandlerContext) {
        self.isRefusing = true
        self.logger.debug("no request", metadata: ["reason": "\(problem.message)"])
        guard self.requestsInFlight == 0 else {
            context.fireErrorCaught(HTTPParserError.unknown)
            return
        }
        let id = RequestID.random().text
        let body = ByteBuffer(
            string: "{\"code\":\"invalid-request\",\"message\":\"\(problem.message)\",\"requestID\":\"\(id)\"}"
        )
        let headers: HTTPHeaders = [
            "Content-Type": "application/json", "Content-Length": "\(body.readableBytes)", "Connection": "close",
            "Tarn-Request-ID": id,
        ]
        let head = HTTPResponseHead(version: .http1_1, status: problem.status, headers: headers)
        self.closingSince = .now()
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        context.write(self.wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        context.close(mode: .output, promise: nil)
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
        case .head(var head):
            if self.isLastRequest, self.requestsInFlight == 1 {
                head.headers.replaceOrAdd(name: "Connection", value: "close")
            }
            self.closesAfterAnswer = head.headers["connection"].contains { $0.lowercased() == "close" }
            context.write(self.wrapOutboundOut(.head(head)), promise: promise)
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
            self.giveUp(reason, context)
        }
    }

    private func giveUp(_ reason: String, _ context: ChannelHandlerContext) {
        self.logger.debug("connection given up", metadata: ["reason": "\(reason)"])
        self.tick?.cancel()
        context.close(mode: .all, promise: nil)
    }

    private func reasonToClose(at now: NIODeadline) -> String? {
        if let since = self.closingSince, now - since >= Self.linger { return "closed by the server" }
        if let since = self.stalledSince, now - since >= TimeAmount(self.timeouts.write) { return "answer not taken" }
        if self.requestsInFlight <= 0 {
            let patience = TimeAmount(self.hasServed ? self.timeouts.idle : self.timeouts.header)
            let limit = self.census.isCrowded ? .nanoseconds(patience.nanoseconds / Self.crowdedShare) : patience
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

internal import GatewayKit
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import StorageInterface

/// Answers plain `GET` and `HEAD` of hot blobs on the event loop, below everything that is asynchronous.
///
/// It takes a request only while nothing is in flight on the connection and only if ``GatewayKit/HotAnswers`` knows the
/// answer; everything else passes up unchanged. While it sends, what arrives behind waits here, so that answers keep
/// the order of their requests, and so do a half-closed connection and the server's wish to stop.
final class FastPath: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// What all connections share.
    struct Environment: Sendable {
        let answers: HotAnswers
        let observer: FastObserver
        let threads: NIOThreadPool
        let edge: Edge
        let date = HTTPDate()
    }

    /// A request whose head was taken; its end is awaited.
    private struct Accepted {
        var head: HTTPRequestHead
        var representation: HotAnswers.Representation
        var start: NIODeadline
        var origin: RequestOrigin
    }

    /// Something that arrived while an answer was sent.
    private enum Held {
        case part(HTTPServerRequestPart)
        case event(Any)
        case error(any Error)
    }

    private let environment: Environment
    /// The other end, once it is known.
    private var peer: NetworkAddress?
    private var generator = SplitMix(seed: .random(in: .min ... .max))

    /// Requests that were passed up and are not answered yet.
    private var requestsAbove = 0
    /// Whether the connection is about to be closed, so that nothing is answered here any more.
    private var isClosing = false
    private var accepted: Accepted?
    private var sender: FileSender?
    /// Whether more than enough was written that the client has not taken yet.
    private var isCongested = false
    /// Whether the server's wish to stop waits for the last bytes to go out.
    private var isStopping = false
    private var hasAnswered = false
    private var needsFlush = false
    private var held = CircularBuffer<Held>()
    private var isReadHeld = false
    private var isResuming = false

    init(_ environment: Environment) { self.environment = environment }

    private var isBusy: Bool { self.sender != nil || self.isCongested || self.isStopping }

    // MARK: What arrives

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = self.unwrapInboundIn(data)
        if self.isBusy { self.held.append(.part(part)) } else { self.receive(part, context) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.flushIfNeeded(context)
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if self.isBusy { self.isReadHeld = true } else { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { self.isClosing = true }
        if self.isBusy { self.held.append(.event(event)) } else { self.forward(event, context) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if self.isBusy { self.held.append(.error(error)) } else { context.fireErrorCaught(error) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            self.sender?.pump(context)
            if self.isCongested {
                self.isCongested = false
                self.resume(context)
            }
        }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.giveUp()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.giveUp() }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch self.unwrapOutboundIn(data) {
        case .head(let head):
            if head.headers["connection"].contains(where: { $0.lowercased() == "close" }) { self.isClosing = true }
        case .body: break
        // The answer to what is no request at all has none to count.
        case .end: self.requestsAbove = max(0, self.requestsAbove - 1)
        }
        context.write(data, promise: promise)
    }

    private func receive(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        switch part {
        case .head(let head):
            if let representation = self.answer(to: head), let origin = self.admit(head, context) {
                self.accepted = Accepted(head: head, representation: representation, start: .now(), origin: origin)
            } else {
                self.passUp(head, context)
            }
        case .body where self.accepted != nil: break
        case .end where self.accepted != nil: self.start(context)
        default: context.fireChannelRead(self.wrapInboundOut(part))
        }
    }

    private func passUp(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        self.requestsAbove += 1
        if !head.isKeepAlive { self.isClosing = true }
        context.fireChannelRead(self.wrapInboundOut(.head(head)))
    }

    private func forward(_ event: Any, _ context: ChannelHandlerContext) {
        guard event is ChannelShouldQuiesceEvent else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        if let accepted = self.accepted {
            self.accepted = nil
            self.passUp(accepted.head, context)
        }
        guard self.requestsAbove == 0, self.hasAnswered else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        // Whoever hears of it closes the connection, so the answers that were given here have to be out.
        self.isStopping = true
        let promise = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { _ in
            let (handler, context) = bound.value
            handler.isStopping = false
            context.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
            handler.resume(context)
        }
        context.writeAndFlush(self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer()))), promise: promise)
    }

    // MARK: What may be answered here

    /// The one place that says whether a request may be answered here, and with what.
    private func answer(to head: HTTPRequestHead) -> HotAnswers.Representation? {
        guard self.requestsAbove == 0, !self.isClosing, head.version == .http1_1,
            head.method == .GET || head.method == .HEAD, PlainRequest.isPlain(head.headers), self.isAllowed(head)
        else { return nil }
        let acceptsZstd = head.headers["accept-encoding"].contains { ContentCoding.namesZstd($0) }
        return self.environment.answers.find(head.uri, acceptsZstd: acceptsZstd)
    }

    /// Whether the sender may read the project that the path names.
    ///
    /// There are no credentials yet. What decides here must be known without waiting; a request that cannot be decided
    /// at once is passed up.
    private func isAllowed(_ head: HTTPRequestHead) -> Bool { true }

    /// Who sends the request; `nil` if it has to wait, which is told above.
    private func admit(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) -> RequestOrigin? {
        if self.peer == nil { self.peer = NetworkAddress(peerOf: context.channel) }
        let origin = self.environment.edge.origin(self.peer) { head.headers[$0] }
        let authorization = head.headers.first(name: "authorization")
        return self.environment.edge.refusal(of: origin, authorization: authorization) == nil ? origin : nil
    }

    // MARK: What is answered

    private func start(_ context: ChannelHandlerContext) {
        guard let accepted = self.accepted else { return }
        self.accepted = nil
        self.hasAnswered = true
        self.environment.observer.begin()
        let id = RequestID(self.generator.next())
        var headers = accepted.representation.headers
        headers.add(name: "Tarn-Request-ID", value: id.text)
        headers.add(name: "Date", value: self.environment.date.text)
        let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        let request = FileSender.Request(
            id: id,
            method: accepted.head.method.rawValue,
            start: accepted.start,
            origin: accepted.origin
        )
        switch accepted.representation.content {
        case _ where accepted.head.method == .HEAD: self.finish(request, sent: 0, context)
        case .bytes(let buffer):
            context.write(self.wrapOutboundOut(.body(.byteBuffer(buffer))), promise: nil)
            self.finish(request, sent: buffer.readableBytes, context)
        case .file(let file):
            let sender = FileSender(file, size: accepted.representation.size, request, self.environment.threads) {
                self.sender = nil
                self.finish(request, sent: $0, context)
                self.resume(context)
            }
            self.sender = sender
            sender.pump(context)
        }
    }

    private func finish(_ request: FileSender.Request, sent: Int, _ context: ChannelHandlerContext) {
        context.write(self.wrapOutboundOut(.end(nil)), promise: nil)
        self.needsFlush = true
        self.conclude(request, sent: sent, isComplete: true)
        if !context.channel.isWritable { self.flushIfNeeded(context) }
    }

    private func flushIfNeeded(_ context: ChannelHandlerContext) {
        guard self.needsFlush else { return }
        self.needsFlush = false
        context.flush()
        self.isCongested = !context.channel.isWritable
    }

    private func conclude(_ request: FileSender.Request, sent: Int, isComplete: Bool) {
        self.environment.observer.end(
            request.id,
            method: request.method,
            sent: sent,
            since: request.start,
            isComplete: isComplete,
            origin: request.origin
        )
    }

    /// Goes on with what has arrived meanwhile.
    private func resume(_ context: ChannelHandlerContext) {
        guard !self.isResuming else { return }
        self.isResuming = true
        let hasHeld = !self.held.isEmpty
        while !self.isBusy, let next = self.held.popFirst() {
            switch next {
            case .part(let part): self.receive(part, context)
            case .event(let event): self.forward(event, context)
            case .error(let error): context.fireErrorCaught(error)
            }
        }
        self.isResuming = false
        if hasHeld { context.fireChannelReadComplete() }
        self.flushIfNeeded(context)
        if !self.isBusy, self.isReadHeld {
            self.isReadHeld = false
            context.read()
        }
    }

    /// The connection is gone: the file is closed, and the answer counts as far as it got.
    private func giveUp() {
        self.held.removeAll()
        guard let sender = self.sender else { return }
        self.sender = nil
        self.conclude(sender.request, sent: sender.cancel(), isComplete: false)
    }
}

/// Which requests are so plain that their head need not be understood any further.
enum PlainRequest {
    /// Fields that make an answer depend on more than the path and the content coding.
    private static let special = [
        "range", "expect", "upgrade", "if-match", "if-range", "if-none-match", "content-length", "transfer-encoding",
        "if-modified-since", "if-unmodified-since",
    ]

    /// Whether none of the fields is special, and the connection is to stay open.
    static func isPlain(_ headers: HTTPHeaders) -> Bool {
        for (name, value) in headers {
            let size = name.utf8.count
            if size == 10, self.isSame(name, "connection") {
                guard self.isSame(value, "keep-alive") else { return false }
            } else if self.special.contains(where: { $0.utf8.count == size && self.isSame(name, $0) }) {
                return false
            }
        }
        return true
    }

    /// Compares with lowercase text, ignoring the case of ASCII letters.
    private static func isSame(_ text: String, _ lowercase: String) -> Bool {
        text.utf8.elementsEqual(lowercase.utf8) { $0 == $1 || ($0 | 0x20 == $1 && (0x61...0x7a).contains($1)) }
    }
}

/// A fast generator for names that need to differ, not to be secret.
private struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var bits = self.state
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }
}

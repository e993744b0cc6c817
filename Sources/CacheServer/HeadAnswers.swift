internal import NIOCore
internal import NIOHTTP1

/// Makes answers to `HEAD` whose body would be chunked say what `GET` says.
///
/// The router announces a length of 0 for the body that it took away, and the encoder, which does not know the method,
/// would send the last chunk of it.
final class HeadAnswers: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// For each request that is not answered yet, whether it is a `HEAD`.
    private var isHead = CircularBuffer<Bool>()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = self.unwrapInboundIn(data) { self.isHead.append(head.method == .HEAD) }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard self.isHead.first == true else {
            if case .end = self.unwrapOutboundIn(data) { _ = self.isHead.popFirst() }
            context.write(data, promise: promise)
            return
        }
        switch self.unwrapOutboundIn(data) {
        case .head(var head):
            if head.headers.contains(name: "transfer-encoding") { head.headers.remove(name: "content-length") }
            context.write(self.wrapOutboundOut(.head(head)), promise: promise)
        case .body: context.write(data, promise: promise)
        case .end:
            _ = self.isHead.popFirst()
            // Nothing, but in its turn.
            context.write(self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer()))), promise: promise)
        }
    }
}

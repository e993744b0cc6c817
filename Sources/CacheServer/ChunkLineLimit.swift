internal import NIOCore
internal import NIOHTTP1
internal import RequestFraming

/// Ends a connection with a line before a chunk that is too long, before the parser sees any of it.
final class ChunkLineLimit: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private var framing = ChunkFraming()
    private var isRefusing = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isRefusing else { return }
        let isSound = self.unwrapInboundIn(data).withUnsafeReadableBytes { self.framing.advance(over: $0) }
        if isSound {
            context.fireChannelRead(data)
        } else {
            self.isRefusing = true
            context.fireErrorCaught(HTTPParserError.invalidChunkSize)
        }
    }
}

internal import NIOCore
internal import NIOHTTP1
internal import RequestFraming

/// Ends a connection with a line that is too long, before the parser sees any of it.
final class ChunkLineLimit: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// What a line of a head may have beside what the parser counts: a method, a version, blanks.
    private static let uncounted = 1_024

    private var framing: ChunkFraming
    private var isRefusing = false

    init(maximumHeaderSize: Int) { self.framing = ChunkFraming(longestField: maximumHeaderSize + Self.uncounted) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isRefusing else { return }
        switch self.unwrapInboundIn(data).withUnsafeReadableBytes({ self.framing.advance(over: $0) }) {
        case nil: context.fireChannelRead(data)
        case .longChunkLine: self.refuse(.invalidChunkSize, context)
        case .longField: self.refuse(.headerOverflow, context)
        }
    }

    private func refuse(_ error: HTTPParserError, _ context: ChannelHandlerContext) {
        self.isRefusing = true
        context.fireErrorCaught(error)
    }
}

internal import GatewayKit
internal import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1
internal import NIOSSL

/// How the server speaks HTTP/1.1 on a connection.
///
/// Hummingbird's own channel fixes the receive buffer at 64 KiB and has no answer to `Expect`. The pipeline, from the
/// socket: ``ConnectionDoor``, TLS if there is a certificate, ``ChunkLineLimit``, NIO's codec, ``HeadAnswers``,
/// ``ConnectionGuard``, ``FastPath``, and Hummingbird.
struct Connection: HTTPChannelHandler {
    typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    /// Larger buffers cost memory, smaller ones system calls.
    private static let largestReceiveBuffer = 256 * 1_024

    let responder: HTTPChannelHandler.Responder
    let timeouts: ServerConfiguration.Timeouts
    let maximumHeaderSize: Int
    let fastPath: FastPath.Environment
    let census: ConnectionCensus
    /// Connections that were closed because their address has too many.
    let refused: Metrics.Counter
    /// What makes the connection encrypted, if it is to be.
    let certificates: Certificates?

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            if let options = channel.syncOptions {
                try options.setOption(
                    .recvAllocator,
                    value: AdaptiveRecvByteBufferAllocator(
                        minimum: 1_024,
                        initial: 4_096,
                        maximum: Self.largestReceiveBuffer
                    )
                )
                // The connection keeps a buffer for each, also while it is idle.
                try options.setOption(.maxMessagesPerRead, value: 1)
                try options.setOption(.tcpOption(.tcp_nodelay), value: 1)
            }
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = self.maximumHeaderSize
            limits.maxHeaderListSize = self.maximumHeaderSize
            limits.maxHeaderFieldCount = 100
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(ConnectionDoor(self.census, refused: self.refused, logger: logger))
            if let context = self.certificates?.current {
                try pipeline.addHandler(NIOSSLServerHandler(context: context))
            }
            try pipeline.addHandler(ChunkLineLimit(maximumHeaderSize: self.maximumHeaderSize))
            try pipeline.configureHTTPServerPipeline(
                withPipeliningAssistance: false,
                withErrorHandling: false,
                withOutboundHeaderValidation: false,
                withEncoderConfiguration: .init(),
                withDecoderLimitConfiguration: limits
            )
            try pipeline.addHandler(HeadAnswers())
            try pipeline.addHandler(ConnectionGuard(timeouts: self.timeouts, census: self.census, logger: logger))
            try pipeline.addHandler(FastPath(self.fastPath))
            try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: self.certificates != nil))
            try pipeline.addHandler(HTTPConnectionStateHandler(idleTimeout: nil, logger: logger))
            return try NIOAsyncChannel(
                wrappingChannelSynchronously: channel,
                configuration: .init(
                    backPressureStrategy: .init(lowWatermark: 1, highWatermark: 2),
                    isOutboundHalfClosureEnabled: true
                )
            )
        }
    }

    func handle(value: Value, logger: Logger) async {
        await withTaskExecutorPreference(EventLoopTaskExecutor(value.channel.eventLoop)) {
            await self.handleHTTP(asyncChannel: value, logger: logger)
        }
    }
}

/// Runs a connection's handlers on its event loop: 20 to 50 % more requests a second than on the shared pool.
final class EventLoopTaskExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = self.asUnownedTaskExecutor()
        self.eventLoop.execute { job.runSynchronously(on: executor) }
    }
}

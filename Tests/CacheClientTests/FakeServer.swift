import CacheModel
import NIOCore
import NIOHTTP1
import NIOPosix
import NativeAPI

@testable import CacheClient

/// A request as a fake server gets it.
struct FakeRequest: Sendable {
    var method: String
    /// The target as it was sent, without the query.
    var path: String
    var query: String
    var headers: HTTPHeaders
    var body: [UInt8] = []

    func decode<Message: Decodable>(_ type: Message.Type) throws -> Message {
        try NativeJSON.decode(type, from: self.body)
    }
}

/// What a fake server answers.
struct FakeAnswer: Sendable {
    enum Ending: Sendable {
        /// The answer is complete.
        case complete
        /// The head claims more bytes than follow, and the connection closes.
        case cutOff
        /// More is announced and never comes.
        case held
    }

    var status = 200
    var headers: [(String, String)] = []
    var body: [UInt8] = []
    var ending = Ending.complete

    static func json(_ message: some Encodable) throws -> Self { Self(body: try NativeJSON.encode(message)) }

    static func error(_ status: Int, _ code: CacheError.Code, _ message: String) throws -> Self {
        let body = try NativeJSON.encode(ErrorResponse(code: code.description, message: message))
        return Self(status: status, body: body)
    }

    static func text(_ text: String, status: Int = 200) -> Self { Self(status: status, body: Array(text.utf8)) }
}

/// A server on a free loopback port that answers with what a closure says.
enum FakeServer {
    typealias Handler = @Sendable (FakeRequest) throws -> FakeAnswer

    /// Starts a server, calls `body` with a client of it, and stops both.
    static func run<Value>(
        options: NativeClient.Options = .quick,
        _ handler: @escaping Handler,
        _ body: (NativeClient) async throws -> Value
    ) async throws -> Value {
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(FakeHandler(handler))
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        let address = try ServerAddress("http://127.0.0.1:\(server.localAddress?.port ?? 0)")
        let client = NativeClient(server: address, project: try ProjectName("acme/shop"), options: options)
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(client))
        } catch {
            result = .failure(error)
        }
        await client.shutdown()
        try await server.close()
        return try result.get()
    }
}

extension NativeClient.Options {
    /// Options whose pauses no test notices.
    static var quick: Self {
        var options = Self()
        options.firstPause = 0.001
        options.attempts = 4
        return options
    }
}

private final class FakeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let handler: FakeServer.Handler
    private var request: FakeRequest?

    init(_ handler: @escaping FakeServer.Handler) { self.handler = handler }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            let parts = head.uri.split(separator: "?", maxSplits: 1)
            self.request = FakeRequest(
                method: head.method.rawValue,
                path: parts.first.map(String.init) ?? "",
                query: parts.count > 1 ? String(parts[1]) : "",
                headers: head.headers
            )
        case .body(let bytes): self.request?.body += Array(bytes.readableBytesView)
        case .end:
            guard let request = self.request else { return }
            let answer = Result { try self.handler(request) }
            self.send((try? answer.get()) ?? .text("the test's server failed: \(answer)", status: 500), context)
        }
    }

    private func send(_ answer: FakeAnswer, _ context: ChannelHandlerContext) {
        var headers = HTTPHeaders(answer.headers)
        let missing: Int
        if case .complete = answer.ending { missing = 0 } else { missing = 100 }
        headers.replaceOrAdd(name: "content-length", value: "\(answer.body.count + missing)")
        let head = HTTPResponseHead(
            version: .http1_1,
            status: HTTPResponseStatus(statusCode: answer.status),
            headers: headers
        )
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil)
        switch answer.ending {
        case .complete: context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        case .cutOff: context.close(promise: nil)
        case .held: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

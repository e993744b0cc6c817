internal import AsyncHTTPClient
package import CacheModel
internal import NIOCore
internal import NIOHTTP1
internal import NativeAPI

/// Speaks the native API with one project of a server: one method for each endpoint.
///
/// Requests that fail in a way that a later try may survive are tried again, with growing pauses and some chance in
/// them; all requests are idempotent. Bytes that do not move for ``Options/stallLimit`` end a try.
package final class NativeClient: Sendable {
    /// How to talk.
    package struct Options: Sendable {
        /// How long to wait for a connection.
        package var connectLimit = Duration.seconds(10)
        /// How long a transfer may stand still.
        package var stallLimit = Duration.seconds(30)
        /// How often a request is tried.
        package var attempts = 3
        /// The credential that is sent, if any.
        package var token: String?
        /// What the client says it is.
        package var userAgent = "tarn"

        package init() {}
    }

    /// Where the server is.
    package let server: ServerAddress
    /// The project that keys belong to.
    package let project: ProjectName
    private let options: Options
    private let http: HTTPClient

    /// Creates a client; ``shutdown()`` must be called when it is no longer needed.
    package init(server: ServerAddress, project: ProjectName, options: Options = Options()) {
        self.server = server
        self.project = project
        self.options = options
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: .init(
                connect: TimeAmount(options.connectLimit),
                read: TimeAmount(options.stallLimit),
                write: TimeAmount(options.stallLimit)
            )
        )
        configuration.httpVersion = .http1Only
        configuration.connectionPool.retryConnectionEstablishment = false
        self.http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// Closes all connections.
    package func shutdown() async { try? await self.http.shutdown() }

    var projectPath: String { "/v1/projects/\(self.project.owner)/\(self.project.name)" }
}

/// A request before it is sent.
struct NativeRequest: Sendable {
    var method: HTTPMethod
    var path: String
    var query: [(name: String, value: String?)] = []
    var contentType: String?
    var body: HTTPClientRequest.Body?

    /// The path with the query behind it.
    var target: String {
        let items = self.query.compactMap { item in item.value.map { "\(item.name)=\(PathEncoding.encode($0))" } }
        return items.isEmpty ? self.path : self.path + "?" + items.joined(separator: "&")
    }
}

extension NativeClient {
    /// The most bytes of an answer that is read into memory.
    private static let answerLimit = 256 * 1_048_576

    /// Asks for a JSON document.
    func ask<Answer: Decodable>(_ type: Answer.Type, _ request: NativeRequest) async throws -> Answer {
        let bytes = try await self.collect(request)
        do {
            return try NativeJSON.decode(type, from: bytes)
        } catch let error as CacheError {
            throw CacheError(.unavailable, "\(self.server) answers nonsense: \(error); is it a Tarn server?")
        }
    }

    /// Asks with a JSON document for a JSON document.
    func ask<Answer: Decodable>(
        _ type: Answer.Type,
        _ method: HTTPMethod,
        _ path: String,
        query: [(name: String, value: String?)] = [],
        sending message: some Encodable
    ) async throws -> Answer {
        var request = NativeRequest(method: method, path: path, query: query, contentType: "application/json")
        request.body = .bytes(ByteBuffer(bytes: try NativeJSON.encode(message)))
        return try await self.ask(type, request)
    }

    /// Sends a request and collects the answer; tries again while that makes sense.
    @discardableResult
    func collect(_ request: NativeRequest) async throws -> [UInt8] {
        try await self.retrying {
            var bytes: [UInt8] = []
            try await self.send(request) { piece in
                bytes.append(contentsOf: piece.readableBytesView)
                guard bytes.count <= Self.answerLimit else {
                    throw CacheError(.unavailable, "\(self.server) answers with more than \(Self.answerLimit) bytes")
                }
            }
            return bytes
        }
    }

    /// Sends a request once and hands over the answer piece by piece.
    func send(_ request: NativeRequest, _ body: (ByteBuffer) async throws -> Void) async throws {
        var message = HTTPClientRequest(url: self.server.description + request.target)
        message.method = request.method
        message.headers.add(name: "user-agent", value: self.options.userAgent)
        if let type = request.contentType { message.headers.add(name: "content-type", value: type) }
        if let token = self.options.token { message.headers.add(name: "authorization", value: "Bearer \(token)") }
        message.body = request.body
        do {
            let response = try await self.http.execute(message, deadline: .distantFuture)
            guard (200..<300).contains(response.status.code) else { throw try await self.failure(response) }
            for try await piece in response.body { try await body(piece) }
        } catch {
            throw self.translate(error)
        }
    }

    /// Runs `attempt` again, after a pause, while it fails with `unavailable`.
    func retrying<Value>(_ attempt: () async throws -> Value) async throws -> Value {
        var pause = 0.1
        for _ in 1..<max(1, self.options.attempts) {
            do {
                return try await attempt()
            } catch let error as CacheError where error.code == .unavailable && !(error.cause is HopelessFailure) {
                try await Task.sleep(for: .seconds(pause * Double.random(in: 0.5...1.5)))
                pause = min(pause * 4, 5)
            }
        }
        return try await attempt()
    }
}

internal import AsyncHTTPClient
internal import CacheModel
internal import NIOCore
internal import NIOHTTP1
internal import NativeAPI

// One request and its answer, and when to try again.

/// A try that failed.
struct FailedTry: Error {
    /// What a person is told if there is no other try.
    var error: any Error
    /// Whether another try may succeed.
    var isWorthAnother: Bool
    /// How long the server wants to be left alone.
    var pause: Duration?
}

extension NativeClient {
    /// The most bytes of an answer that is read into memory.
    private static let answerLimit = 256 * 1_048_576
    /// The longest pause before another try, whatever the server asks for.
    private static let longestPause = Duration.seconds(30)

    /// Asks for a JSON document.
    func ask<Answer: Decodable>(_ type: Answer.Type, _ request: NativeRequest) async throws -> Answer {
        try self.read(type, try await self.collect(request))
    }

    /// Asks with a JSON document for a JSON document.
    func ask<Answer: Decodable>(
        _ type: Answer.Type,
        _ method: HTTPMethod,
        _ path: String,
        sending message: some Encodable
    ) async throws -> Answer {
        var request = NativeRequest(method: method, path: path, contentType: "application/json")
        request.body = .bytes(ByteBuffer(bytes: try NativeJSON.encode(message)))
        return try await self.ask(type, request)
    }

    /// The document in an answer.
    func read<Answer: Decodable>(_ type: Answer.Type, _ bytes: [UInt8]) throws -> Answer {
        do {
            return try NativeJSON.decode(type, from: bytes)
        } catch let error as CacheError {
            throw CacheError(.unavailable, "\(self.server) answers nonsense: \(error); is it a Tarn server?")
        }
    }

    /// Sends a request and collects the answer; tries again while that makes sense.
    ///
    /// - Parameters:
    ///   - request: What to send.
    ///   - attempts: How often; as the options say if it is left out.
    ///   - limit: How long one try may take; as the options say if it is left out.
    /// - Returns: The answer's body.
    /// - Throws: ``CacheModel/CacheError``.
    @discardableResult
    func collect(_ request: NativeRequest, attempts: Int? = nil, limit: TimeAmount? = nil) async throws -> [UInt8] {
        try await self.retrying(attempts: attempts) {
            var bytes: [UInt8] = []
            try await self.attempt(request, deadline: limit.map { .now() + $0 }) { piece in
                bytes.append(contentsOf: piece.readableBytesView)
                guard bytes.count <= Self.answerLimit else {
                    throw CacheError(.invalidRequest, "\(self.server) answers with more than \(Self.answerLimit) bytes")
                }
            }
            return bytes
        }
    }

    /// Sends a request of any length once and hands over the answer piece by piece.
    ///
    /// - Throws: ``CacheModel/CacheError``, or what `body` throws.
    func send(_ request: NativeRequest, _ body: (ByteBuffer) async throws -> Void) async throws {
        do {
            try await self.attempt(request, deadline: .distantFuture, body)
        } catch let failure as FailedTry {
            throw failure.error
        }
    }

    /// Sends a request once and hands over the answer piece by piece.
    ///
    /// - Throws: ``FailedTry``, or what `body` throws.
    func attempt(
        _ request: NativeRequest,
        deadline: NIODeadline? = nil,
        _ body: (ByteBuffer) async throws -> Void
    ) async throws {
        do {
            let deadline = deadline ?? .now() + TimeAmount(self.options.tryLimit)
            let response = try await self.http.execute(self.message(request), deadline: deadline)
            guard (200..<300).contains(response.status.code) else { throw try await self.failure(response) }
            for try await piece in response.body { try await body(piece) }
        } catch let failure as FailedTry {
            throw failure
        } catch {
            throw self.translate(error)
        }
    }

    private func message(_ request: NativeRequest) -> HTTPClientRequest {
        var message = HTTPClientRequest(url: self.server.description + request.target)
        message.method = request.method
        message.headers.add(name: "user-agent", value: self.options.userAgent)
        if let type = request.contentType { message.headers.add(name: "content-type", value: type) }
        if let token = self.options.token { message.headers.add(name: "authorization", value: "Bearer \(token)") }
        message.body = request.body
        return message
    }

    /// Runs `attempt` again, after a pause, while another try may succeed.
    ///
    /// Pauses grow, have some chance in them, and are at least as long as the server asks for.
    func retrying<Value>(attempts: Int? = nil, _ attempt: () async throws -> Value) async throws -> Value {
        var pause = self.options.firstPause
        var left = max(1, attempts ?? self.options.attempts)
        while true {
            left -= 1
            var asked: Duration?
            do {
                return try await attempt()
            } catch let failure as FailedTry {
                guard left > 0, failure.isWorthAnother else { throw failure.error }
                asked = failure.pause
            } catch let error as CacheError where error.code == .unavailable && left > 0 {}
            let own = Duration.seconds(pause * Double.random(in: 0.5...1.5))
            try await Task.sleep(for: min(max(own, asked ?? .zero), Self.longestPause))
            pause = min(pause * 4, 5)
        }
    }
}

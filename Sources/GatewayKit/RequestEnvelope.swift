package import HTTPTypes
package import Hummingbird
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

/// What every request gets, whatever its gateway: an identifier, a line in the access log, its place in the
/// metrics, and an answer even if no route matches.
package struct RequestEnvelope<G: Gateway>: RouterMiddleware {
    /// A body up to this size that was not read is simply skipped; a larger one ends the connection.
    private static var skippableBody: Int { 65_536 }

    private let fallback: G
    private let routes: RouteTable
    private let metrics: Metrics
    private let edge: Edge

    /// Creates the envelope.
    ///
    /// - Parameters:
    ///   - fallback: Renders failures that belong to no gateway.
    ///   - routes: All routes, to tell an unknown path from an unknown method.
    ///   - metrics: Where requests are counted.
    ///   - edge: What is decided before the request is looked at.
    package init(fallback: G, routes: RouteTable, metrics: Metrics, edge: Edge = Edge()) {
        self.fallback = fallback
        self.routes = routes
        self.metrics = metrics
        self.edge = edge
        metrics.declare("tarn_limited_requests_total", .counter, "Requests that got 429.")
        metrics.count("tarn_limited_requests_total", by: 0)
    }

    /// Handles one request.
    package func handle(
        _ request: Request,
        context: GatewayContext,
        next: (Request, GatewayContext) async throws -> Response
    ) async throws -> Response {
        self.metrics.add("tarn_requests_in_flight", 1)
        var context = context
        context.origin = self.edge.origin(NetworkAddress(peerOf: context.channel)) { name in
            HTTPField.Name(name).map { request.headers[values: $0] } ?? []
        }
        var response: Response
        do {
            if let refusal = self.edge.refusal(of: context.origin, authorization: request.headers[.authorization]) {
                self.metrics.count("tarn_limited_requests_total")
                throw refusal
            }
            response = try await next(request.answeringExpectation(on: context.channel), context)
        } catch let error as HTTPParserError {
            self.metrics.add("tarn_requests_in_flight", -1)
            throw error
        } catch let error as HTTPError where error.status == .notFound {
            response = self.fallback.render(self.routes.failure(for: request), for: context)
        } catch {
            response = self.fallback.render(Failure(error, of: "server", context: context), for: context)
        }
        if response.status == .unauthorized { self.edge.noteFailure(of: context.origin) }
        response.headers[.requestID] = context.requestID
        if request.method == .head, context.record.hasUnknownLength.load(ordering: .relaxed) {
            // The router is going to take the body away and to announce that nothing is left; the connection knows
            // better when it sees this.
            response.headers[.transferEncoding] = "chunked"
        }
        if response.status.code >= 400, request.announcesMore(than: Self.skippableBody) {
            response.headers[.connection] = "close"
        }
        return self.observe(response, to: request, context)
    }

    private func observe(_ response: Response, to request: Request, _ context: GatewayContext) -> Response {
        let status = response.status.code
        let method = request.method
        guard context.record.isStreamed.load(ordering: .relaxed), method != .head else {
            let size = method == .head ? 0 : response.body.contentLength ?? 0
            self.conclude(method, status, size, isComplete: true, context)
            return response
        }
        var response = response
        let body = response.body
        response.body = ResponseBody(contentLength: body.contentLength) { writer in
            var isComplete = false
            defer {
                let size = context.record.sentBytes.load(ordering: .relaxed)
                self.conclude(method, status, size, isComplete: isComplete, context)
            }
            do {
                try await body.write(CountingWriter(base: writer, record: context.record))
            } catch {
                context.logger.debug("answer broke off", metadata: ["error": "\(error)"])
                throw error
            }
            isComplete = true
        }
        return response
    }

    private func conclude(
        _ method: HTTPRequest.Method,
        _ status: Int,
        _ size: Int,
        isComplete: Bool,
        _ context: GatewayContext
    ) {
        let seconds = context.record.seconds
        let route = context.endpointPath.flatMap { $0 == "NotFound" ? nil : $0 } ?? "none"
        let knownMethod = Self.knownMethods.contains(method) ? method.rawValue : "other"
        self.metrics.add("tarn_requests_in_flight", -1)
        self.metrics.count(
            "tarn_requests_total",
            [("method", knownMethod), ("route", route), ("code", String(status))]
        )
        self.metrics.observe("tarn_request_duration_seconds", [("route", route)], seconds)
        var metadata: Logger.Metadata = [
            "method": "\(method.rawValue)", "route": "\(route)", "status": "\(status)", "bytes": "\(size)",
            "duration.ms": "\((seconds * 1_000_000).rounded() / 1_000)",
        ]
        if !isComplete { metadata["incomplete"] = "true" }
        if let address = context.origin.address { metadata["remote"] = "\(address)" }
        context.logger.info("request", metadata: metadata)
    }

    private static var knownMethods: [HTTPRequest.Method] { [.get, .head, .put, .post, .delete, .options, .patch] }
}

extension HTTPField.Name {
    /// The request's name in the server's log.
    package static let requestID = Self(known: "Tarn-Request-ID")

    /// A name that is known to be one.
    package init(known name: StaticString) {
        guard let name = Self("\(name)") else { preconditionFailure("A field name has only token characters.") }
        self = name
    }
}

/// Counts what passes.
private struct CountingWriter: ResponseBodyWriter {
    var base: any ResponseBodyWriter
    let record: RequestRecord

    mutating func write(_ buffer: ByteBuffer) async throws {
        try await self.base.write(buffer)
        self.record.sentBytes.add(buffer.readableBytes, ordering: .relaxed)
    }

    mutating func write(contentsOf buffers: some Sequence<ByteBuffer>) async throws {
        let buffers = Array(buffers)
        try await self.base.write(contentsOf: buffers)
        self.record.sentBytes.add(buffers.reduce(0) { $0 + $1.readableBytes }, ordering: .relaxed)
    }

    consuming func finish(_ trailers: HTTPFields?) async throws {
        try await self.base.finish(trailers)
    }
}

extension Request {
    /// Whether the request announces a body of more bytes than this, or of an unknown number.
    fileprivate func announcesMore(than limit: Int) -> Bool {
        if self.headers.contains(.transferEncoding) { return true }
        guard let length = self.headers[.contentLength] else { return false }
        return Int(length).map { $0 > limit } ?? true
    }
}

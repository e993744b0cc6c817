package import HTTPTypes
package import Hummingbird
internal import Logging
package import NIOCore
internal import Synchronization

/// What every gateway knows about a request.
package struct GatewayContext: RequestContext {
    /// What Hummingbird keeps.
    package var coreContext: CoreRequestContextStorage
    /// The connection.
    package let channel: any Channel
    /// The request's name in logs and answers.
    package let requestID: String
    /// Who sends the request.
    package internal(set) var origin = RequestOrigin()
    /// What is known of the answer so far.
    let record = RequestRecord()

    /// Starts a request.
    package init(source: ApplicationRequestContextSource) {
        self.coreContext = .init(source: source)
        self.channel = source.channel
        self.requestID = RequestID.random().text
        self.logger[metadataKey: "hb.request.id"] = nil
        self.logger[metadataKey: "request.id"] = "\(self.requestID)"
    }

    /// Makes an answer whose body is written piece by piece.
    ///
    /// The body counts as it is written, and the access log has its line when it ends.
    package func stream(
        _ status: HTTPResponse.Status,
        headers: HTTPFields,
        contentLength: Int?,
        _ write: @escaping @Sendable (inout any ResponseBodyWriter) async throws -> Void
    ) -> Response {
        self.record.isStreamed.store(true, ordering: .relaxed)
        self.record.hasUnknownLength.store(contentLength == nil, ordering: .relaxed)
        return Response(
            status: status,
            headers: headers,
            body: ResponseBody(contentLength: contentLength) { writer in
                try await write(&writer)
                try await writer.finish(nil)
            }
        )
    }
}

/// What the access log and the metrics want to know of a request.
final class RequestRecord: Sendable {
    /// When the request's head was there.
    let start = ContinuousClock.now
    /// Whether the body is written after the handler has returned.
    let isStreamed = Atomic(false)
    /// Whether nobody knows how long that body will be.
    let hasUnknownLength = Atomic(false)
    /// The bytes of the answer's body that were handed to the connection.
    let sentBytes = Atomic(0)

    /// The time since the start, in seconds.
    var seconds: Double {
        let (seconds, attoseconds) = (ContinuousClock.now - self.start).components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}

internal import HTTPTypes
package import Logging
package import NIOCore

/// Counts and logs the requests of one route that never reach the router, exactly as ``RequestEnvelope`` does with the
/// others.
package final class FastObserver: Sendable {
    private let route: String
    private let requests: [String: Metrics.Counter]
    private let inFlight: Metrics.Counter
    private let seconds: Metrics.Timing
    private let sentBytes: Metrics.Counter
    private let fast: Metrics.Counter
    private let logger: Logger

    /// Creates an observer.
    ///
    /// - Parameters:
    ///   - route: The route's template.
    ///   - metrics: Where requests are counted.
    ///   - logger: The access log.
    package init(route: String, metrics: Metrics, logger: Logger) {
        self.route = route
        self.requests = Dictionary(
            uniqueKeysWithValues: ["GET", "HEAD"].map { method in
                let labels = [("method", method), ("route", route), ("code", "200")]
                return (method, metrics.counter("tarn_requests_total", labels))
            }
        )
        self.inFlight = metrics.counter("tarn_requests_in_flight")
        self.seconds = metrics.timing("tarn_request_duration_seconds", [("route", route)])
        self.sentBytes = metrics.counter("tarn_blob_bytes_total", [("operation", "get")])
        metrics.declare("tarn_fast_requests_total", .counter, "Requests that were answered on the event loop.")
        metrics.count("tarn_fast_requests_total", by: 0)
        self.fast = metrics.counter("tarn_fast_requests_total")
        self.logger = logger
    }

    /// A request has begun.
    package func begin() { self.inFlight.add(1) }

    /// A request has ended.
    ///
    /// - Parameters:
    ///   - id: The request's name.
    ///   - method: `GET` or `HEAD`.
    ///   - sent: The bytes of the body that were handed to the connection.
    ///   - start: When the request's head was there.
    ///   - isComplete: Whether that was all of them.
    ///   - origin: Who sent the request.
    package func end(
        _ id: RequestID,
        method: String,
        sent: Int,
        since start: NIODeadline,
        isComplete: Bool,
        origin: RequestOrigin
    ) {
        let nanoseconds = (NIODeadline.now() - start).nanoseconds
        self.inFlight.add(-1)
        self.fast.add(1)
        self.requests[method]?.add(1)
        self.seconds.observe(Double(nanoseconds) / 1e9)
        if isComplete { self.sentBytes.add(sent) }
        guard self.logger.logLevel <= .info else { return }
        var metadata: Logger.Metadata = [
            "request.id": "\(id.text)", "method": "\(method)", "route": "\(self.route)", "status": "200",
            "bytes": "\(sent)", "duration.ms": "\(Double(nanoseconds / 1_000) / 1_000)",
        ]
        if !isComplete { metadata["incomplete"] = "true" }
        if let address = origin.address { metadata["remote"] = "\(address)" }
        self.logger.info("request", metadata: metadata)
    }
}

/// A request's name in logs and answers: 13 digits or lowercase letters.
package struct RequestID: Sendable {
    /// The text.
    package let text: String

    /// Writes 64 bits in base 36.
    package init(_ bits: UInt64) {
        self.text = String(unsafeUninitializedCapacity: 13) { digits in
            var rest = bits
            for index in (0..<13).reversed() {
                let digit = UInt8(rest % 36)
                digits[index] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                rest /= 36
            }
            return 13
        }
    }

    /// A name that no other request is likely to have.
    package static func random() -> Self {
        var generator = SystemRandomNumberGenerator()
        return Self(generator.next())
    }
}

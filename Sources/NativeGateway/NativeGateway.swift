package import AccessControl
internal import CacheModel
package import CacheService
package import GatewayKit
internal import HTTPTypes
package import Hummingbird
internal import NIOCore
package import JobIdentities
internal import NativeAPI

/// The native API under `/v1`, and what operators ask the server: `/healthz`, `/readyz`, `/metrics`.
///
/// One table, ``endpoints``, makes both the routes and the OpenAPI document, so they cannot differ.
package struct NativeGateway: Gateway {
    /// `native`.
    package static let name = "native"
    /// The root: the paths of the table are whole paths.
    package let mount: RouterPath = ""

    let service: CacheService
    let limits: NativeLimits
    let metrics: Metrics
    let probe: ServerProbe
    let control: AccessControl
    let exchange: IdentityExchange
    let ledger = TransferLedger()
    let uploads: AdmissionGate
    let uploadShare = UploadShare()
    /// How often refused attempts are noted.
    let denials = RateLimiter(perSecond: NativeGateway.notedDenials / 60, burst: NativeGateway.notedDenials)
    /// Answers about blobs that may be given again on the event loop.
    package let hotAnswers: HotAnswers

    /// Creates the gateway.
    ///
    /// - Parameters:
    ///   - service: The use cases.
    ///   - limits: What one request may ask for.
    ///   - metrics: Where restores and transfers are counted.
    ///   - probe: What the server knows of its own health.
    ///   - control: Who may do what.
    ///   - exchange: Where identity tokens become sessions.
    package init(
        service: CacheService,
        limits: NativeLimits,
        metrics: Metrics,
        probe: ServerProbe,
        control: AccessControl,
        exchange: IdentityExchange
    ) {
        self.service = service
        self.limits = limits
        self.metrics = metrics
        self.probe = probe
        self.control = control
        self.exchange = exchange
        self.uploads = AdmissionGate(limit: limits.uploads)
        self.hotAnswers = HotAnswers(visibility: service.visibility, lifetime: limits.hotLifetime)
        metrics.declare("tarn_resolve_total", .counter, "Resolved restores by result.")
        metrics.declare("tarn_blob_bytes_total", .counter, "Stored bytes of blobs that were sent or received.")
        metrics.declare("tarn_saves_total", .counter, "Commits by outcome.")
        for result in ["exact", "prefix", "miss"] { metrics.count("tarn_resolve_total", [("result", result)], by: 0) }
        for operation in ["get", "put"] { metrics.count("tarn_blob_bytes_total", [("operation", operation)], by: 0) }
    }

    /// All endpoints, in the order of the document.
    var endpoints: [Endpoint] {
        self.restoreEndpoints + self.blobEndpoints + self.saveEndpoints + self.entryEndpoints + self.layerEndpoints
            + self.authEndpoints + self.tokenEndpoints + self.serverEndpoints + self.auditEndpoints
    }

    /// The routes of all endpoints.
    package func routes() -> RouteCollection<GatewayContext> {
        let routes = RouteCollection(context: GatewayContext.self)
        for endpoint in self.endpoints {
            routes.on(RouterPath(endpoint.routerPath), method: endpoint.method) { request, context in
                try await self.answer(request, context, at: endpoint)
            }
        }
        return routes
    }

    /// Renders a failure as an `ErrorResponse`.
    package func render(_ failure: Failure, for context: GatewayContext) -> Response {
        let message = ErrorResponse(
            code: failure.error.code.description,
            message: failure.error.message,
            requestID: context.requestID
        )
        var headers = failure.headers
        headers[.contentType] = "application/json"
        // A message of three strings always encodes; an empty body beats no answer.
        let bytes = (try? NativeJSON.encode(message)) ?? []
        return Response(status: failure.status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}

/// What one request to the native API may ask for.
package struct NativeLimits: Sendable {
    /// The most bytes of a JSON body.
    package var jsonBody = 8 * 1_048_576
    /// The most bytes of a commit.
    package var commitBody = 1_048_576
    /// The most bytes of a body of blob records.
    package var blobBody = 256 * 1_048_576
    /// The most bytes of an uploaded tar, compressed or not.
    package var tarBody = 64 * 1_073_741_824
    /// The most digests in one question.
    package var digests = 10_000
    /// The most bodies of blobs and tars that are received at once; others wait before they are read.
    package var uploads = 64

    /// Whether anybody may read the metrics.
    package var hasPublicMetrics = false

    /// How long the answer to a question for a blob may be given again without asking the catalog.
    package var hotLifetime = HotAnswers.defaultLifetime

    /// Creates the limits with their defaults.
    package init() {}
}

/// What the server knows of its own health.
package struct ServerProbe: Sendable {
    /// Tarn's version.
    package var version: String
    /// SQLite's version.
    package var sqliteVersion: String
    /// Why the server cannot serve now, a sentence each; empty if it can.
    package var problems: @Sendable () async -> [String]
    /// Brings the gauges up to date.
    package var updateMetrics: @Sendable () async -> Void

    /// Creates a probe.
    package init(
        version: String,
        sqliteVersion: String,
        problems: @escaping @Sendable () async -> [String] = { [] },
        updateMetrics: @escaping @Sendable () async -> Void = {}
    ) {
        self.version = version
        self.sqliteVersion = sqliteVersion
        self.problems = problems
        self.updateMetrics = updateMetrics
    }
}

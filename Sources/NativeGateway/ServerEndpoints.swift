internal import CacheModel
package import CacheService
package import GatewayKit
internal import HTTPTypes
internal import Hummingbird
internal import NativeAPI
internal import NIOCore
internal import StorageInterface

/// The answer of `/healthz`.
struct Health: Codable {
    var status: String
    var version: String
    var sqlite: String
}

/// The answer of `/readyz`.
struct Readiness: Codable {
    var status: String
    var problems: [String]
}

extension NativeGateway {
    /// What operators ask.
    var serverEndpoints: [Endpoint] {
        [
            Endpoint(
                method: .get,
                path: "/v1/statistics",
                operation: "statistics",
                summary: "Figures of the whole server.",
                success: .ok("StatisticsResponse", "The figures."),
                handler: self.statistics
            ),
            Endpoint(
                method: .post,
                path: "/v1/collect",
                operation: "collect",
                summary: "Removes what has expired or is over a budget, and deletes what nothing refers to.",
                request: .message("CollectRequest"),
                isRequestOptional: true,
                success: .ok("CollectResponse", "What was done."),
                errors: [400, 413],
                handler: self.collect
            ),
            Endpoint(
                method: .post,
                path: "/v1/check",
                operation: "check",
                summary: "Compares rows with bytes, both ways.",
                request: .message("CheckRequest"),
                isRequestOptional: true,
                success: .ok("CheckResponse", "What was found."),
                errors: [400, 413],
                handler: self.check
            ),
            Endpoint(
                method: .get,
                path: "/v1/openapi.json",
                operation: "openapi",
                summary: "This document.",
                success: .init(status: 200, summary: "OpenAPI 3.1.", content: .bytes("application/json")),
                handler: self.document
            ),
            Endpoint(
                method: .get,
                path: "/healthz",
                operation: "health",
                summary: "Says that the process is alive, and its versions.",
                success: .ok("Health", "It is."),
                handler: self.health
            ),
            Endpoint(
                method: .get,
                path: "/readyz",
                operation: "readiness",
                summary: "Says whether the server can serve: its catalog can be read, its disk written.",
                success: .ok("Readiness", "It can."),
                alternatives: [.init(status: 503, summary: "It cannot.", content: .message("Readiness"))],
                handler: self.readiness
            ),
            Endpoint(
                method: .get,
                path: "/metrics",
                operation: "metrics",
                summary: "Metrics in the Prometheus text format.",
                success: .init(status: 200, summary: "All metrics.", content: .bytes("text/plain")),
                handler: self.renderMetrics
            ),
        ]
    }

    @Sendable private func statistics(_ call: NativeCall) async throws -> Response {
        let statistics = try await self.service.statistics(of: nil)
        return try .json(StatisticsResponse(statistics, maximumBytes: self.service.maximumBytes))
    }

    @Sendable private func collect(_ call: NativeCall) async throws -> Response {
        let request = try await call.message(default: CollectRequest())
        if request.isDryRun == true {
            let preview = try await self.service.previewCollection()
            return try await self.collected(preview.entries, preview.blobs, preview.bytes)
        }
        let report = try await self.service.collect()
        self.metrics.note(report)
        return try await self.collected(report.removedEntries, report.deletedBlobs, report.freedBytes)
    }

    private func collected(_ entries: Int, _ blobs: Int, _ bytes: Int) async throws -> Response {
        try .json(
            CollectResponse(
                removedEntries: entries,
                deletedBlobs: blobs,
                freedBytes: bytes,
                storedBytes: try await self.service.statistics(of: nil).storedBytes
            )
        )
    }

    @Sendable private func check(_ call: NativeCall) async throws -> Response {
        let request = try await call.message(default: CheckRequest())
        let report = try await self.service.checkStore(
            readData: request.readData ?? false,
            repair: request.repair ?? false,
            subset: request.subset.map(BlobSubset.init(parsing:)) ?? .all
        )
        return try .json(
            CheckResponse(
                checkedBlobs: report.checkedBlobs,
                checkedBytes: report.checkedBytes,
                problems: report.problems,
                repaired: report.repaired
            )
        )
    }

    @Sendable private func document(_ call: NativeCall) async throws -> Response {
        try .json(OpenAPI.document(of: self.endpoints, version: self.probe.version))
    }

    @Sendable private func health(_ call: NativeCall) async throws -> Response {
        try .json(Health(status: "ok", version: self.probe.version, sqlite: self.probe.sqliteVersion))
    }

    @Sendable private func readiness(_ call: NativeCall) async throws -> Response {
        let problems = await self.probe.problems()
        let status: HTTPResponse.Status = problems.isEmpty ? .ok : .serviceUnavailable
        return try .json(
            Readiness(status: problems.isEmpty ? "ready" : "not ready", problems: problems),
            status: status
        )
    }

    @Sendable private func renderMetrics(_ call: NativeCall) async throws -> Response {
        await self.probe.updateMetrics()
        return Response(
            status: .ok,
            headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: self.metrics.render()))
        )
    }
}

extension Metrics {
    /// Counts what a collection did.
    package func note(_ report: CollectionReport) {
        self.declare("tarn_collections_total", .counter, "Collections that were scheduled or asked for.")
        self.declare("tarn_collected_bytes_total", .counter, "Stored bytes that these collections freed.")
        self.declare("tarn_collected_blobs_total", .counter, "Blobs that these collections deleted.")
        self.declare("tarn_evicted_entries_total", .counter, "Entries that these collections removed.")
        self.count("tarn_collections_total")
        self.count("tarn_collected_bytes_total", by: report.freedBytes)
        self.count("tarn_collected_blobs_total", by: report.deletedBlobs)
        self.count("tarn_evicted_entries_total", by: report.removedEntries)
    }
}

internal import CacheModel
internal import CacheService
internal import GatewayKit
internal import HTTPTypes
internal import Hummingbird
internal import NativeAPI
internal import StorageInterface

extension NativeGateway {
    /// What a restore asks.
    var restoreEndpoints: [Endpoint] {
        [
            Endpoint(
                method: .post,
                path: "/v1/projects/{owner}/{name}/resolve",
                operation: "resolve",
                summary: "Finds the entry that a job should restore, and protects its bytes with a lease.",
                parameters: Endpoint.Parameter.project,
                request: .message("ResolveRequest"),
                success: .ok("ResolveResponse", "The entry, or an explanation of the miss."),
                errors: [400, 413],
                handler: self.resolve
            ),
            Endpoint(
                method: .post,
                path: "/v1/projects/{owner}/{name}/blobs/fetch",
                operation: "fetchBlobs",
                summary: "Sends blobs as blob records, in the order of the question.",
                parameters: Endpoint.Parameter.project + [
                    .query("lease", .string, "The restore's lease, which is kept alive.")
                ],
                request: .message("FetchBlobsRequest"),
                success: .init(
                    status: 200,
                    summary: "Blob records one after another.",
                    content: .bytes(BlobRecordCoding.mediaType)
                ),
                errors: [400, 404, 413, 500],
                handler: self.fetchBlobs
            ),
            Endpoint(
                method: .post,
                path: "/v1/projects/{owner}/{name}/suspects",
                operation: "reportSuspects",
                summary: "Has blobs read again and compared with their digests that arrived wrong at a client.",
                parameters: Endpoint.Parameter.project,
                request: .message("SuspectsRequest"),
                success: .ok("SuspectsResponse", "How many of them are damaged and were taken out of use."),
                errors: [400, 413],
                handler: self.recheck
            ),
            Endpoint(
                method: .delete,
                path: "/v1/projects/{owner}/{name}/leases/{lease}",
                operation: "endLease",
                summary: "Ends a restore's lease; one that is not known has ended before.",
                parameters: Endpoint.Parameter.project + [.path("lease", .string, "The lease.")],
                success: .noContent("The lease has ended."),
                errors: [400],
                handler: self.endLease
            ),
        ]
    }

    @Sendable private func resolve(_ call: NativeCall) async throws -> Response {
        let question = try await call.message(ResolveRequest.self)
        let query = try question.query(in: call.project())
        if question.isDryRun == true {
            let found = try await self.service.look(for: query)
            return try await .json(self.describe(found, lease: nil, question, call.vantage()))
        }
        let restore = try await self.service.restore(query, families: question.families)
        if let restore { self.ledger.note(restore, families: question.families) }
        self.count(restore?.resolution)
        return try await .json(self.describe(restore?.resolution, lease: restore?.lease, question, call.vantage()))
    }

    private func describe(
        _ resolution: Resolution?,
        lease: String?,
        _ question: ResolveRequest,
        _ vantage: Vantage
    ) async throws -> ResolveResponse {
        if let resolution {
            return ResolveResponse(
                entry: resolution.entry,
                keyIndex: resolution.patternIndex,
                isExact: resolution.isExact,
                lease: lease
            )
        }
        var explanations: [MissExplanation] = []
        for pattern in question.keys {
            let story = try await self.service.explainMiss(
                of: pattern.key,
                provenance: pattern.provenance,
                in: vantage
            )
            explanations.append(MissExplanation(story, of: pattern.key))
        }
        return ResolveResponse(explanations: explanations)
    }

    private func count(_ resolution: Resolution?) {
        let result = resolution.map { $0.isExact ? "exact" : "prefix" } ?? "miss"
        self.metrics.count("tarn_resolve_total", [("result", result)])
    }

    @Sendable private func fetchBlobs(_ call: NativeCall) async throws -> Response {
        let lease = call.query["lease"]
        let question = try await call.message(FetchBlobsRequest.self)
        try call.check(question.digests)
        let records = try await self.service.describe(question.digests, in: call.vantage())
        try await self.service.verify(records)
        let size = records.reduce(0) { $0 + BlobRecordCoding.headerSize + $1.storedSize }
        return call.context.stream(
            .ok,
            headers: [.contentType: BlobRecordCoding.mediaType],
            contentLength: size
        ) { writer in
            var sender = BlobSender(self.service, expecting: size)
            try await sender.send(records, lease: lease, to: &writer)
            self.metrics.count("tarn_blob_bytes_total", [("operation", "get")], by: size)
            if let family = lease.flatMap(self.ledger.family) { self.service.noteSent(size, for: family) }
        }
    }

    @Sendable private func recheck(_ call: NativeCall) async throws -> Response {
        let report = try await call.message(SuspectsRequest.self)
        try call.check(report.digests)
        guard report.digests.count <= SuspectsRequest.limit else {
            throw CacheError(.invalidRequest, "at most \(SuspectsRequest.limit) blobs are suspected at once")
        }
        return try .json(
            SuspectsResponse(damaged: try await self.service.recheck(report.digests, in: call.project()))
        )
    }

    @Sendable private func endLease(_ call: NativeCall) async throws -> Response {
        _ = try call.project()
        let lease = try call.text("lease")
        self.service.endLease(lease)
        self.ledger.forget(lease)
        return .noContent
    }
}

internal import CacheModel
internal import CacheService
internal import GatewayKit
internal import HTTPTypes
internal import Hummingbird
internal import NativeAPI
internal import StorageInterface

extension NativeGateway {
    /// What a save does, in its order.
    var saveEndpoints: [Endpoint] {
        let project = Endpoint.Parameter.project
        return [
            Endpoint(
                method: .post,
                path: "/v1/projects/{owner}/{name}/trees/known",
                operation: "knownTrees",
                summary: "Says for each tree which layer has it, and pins these for the session.",
                parameters: project,
                request: .message("KnownTreesRequest"),
                success: .ok("KnownTreesResponse", "A layer or null for each tree."),
                errors: [400, 413],
                handler: self.knownTrees
            ),
            Endpoint(
                method: .post,
                path: "/v1/projects/{owner}/{name}/blobs/missing",
                operation: "missingBlobs",
                summary: "Says which blobs must be uploaded, and pins the others for the session.",
                parameters: project,
                request: .message("MissingBlobsRequest"),
                success: .ok("MissingBlobsResponse", "The missing blobs, in the order of the question."),
                errors: [400, 413],
                handler: self.missingBlobs
            ),
            Endpoint(
                method: .post,
                path: "/v1/projects/{owner}/{name}/blobs",
                operation: "uploadBlobs",
                summary: "Stores blobs; when the answer comes, they are durable.",
                parameters: project + [.query("session", .string, "The save's session.", isRequired: true)],
                request: .bytes(BlobRecordCoding.mediaType),
                success: .ok("StoredBlobsResponse", "All blobs are stored."),
                errors: [400, 413, 422, 507],
                handler: self.uploadBlobs
            ),
            Endpoint(
                method: .put,
                path: "/v1/projects/{owner}/{name}/entries/{key}",
                operation: "commit",
                summary: "Makes an entry visible whose blobs were uploaded; a key that is taken stays as it is.",
                parameters: project + [.key],
                request: .message("CommitRequest"),
                success: .ok("CommitResponse", "The entry that has the key now."),
                errors: [400, 413, 507],
                handler: self.commit
            ),
            Endpoint(
                method: .delete,
                path: "/v1/projects/{owner}/{name}/sessions/{session}",
                operation: "endSession",
                summary: "Ends a save that will not be committed.",
                parameters: project + [.path("session", .string, "The save's session.")],
                success: .noContent("The session's pins have ended."),
                errors: [400],
                handler: self.endSession
            ),
        ]
    }

    @Sendable private func knownTrees(_ call: NativeCall) async throws -> Response {
        let question = try await call.message(KnownTreesRequest.self)
        try call.check(question.trees)
        let saver = try call.saver(question.session)
        let layers = try await self.service.knownLayers(question.trees, for: saver)
        self.ledger.note(layers, of: saver)
        return try .json(KnownTreesResponse(layers: layers))
    }

    @Sendable private func missingBlobs(_ call: NativeCall) async throws -> Response {
        let question = try await call.message(MissingBlobsRequest.self)
        try call.check(question.digests)
        let missing = try await self.service.missing(question.digests, for: call.saver(question.session))
        return try .json(MissingBlobsResponse(missing: missing))
    }

    @Sendable private func uploadBlobs(_ call: NativeCall) async throws -> Response {
        let saver = try call.saver(call.session())
        try call.request.limitBody(to: self.limits.blobBody)
        let receiver = BlobReceiver(limit: self.limits.blobBody, share: self.uploadShare) { batch in
            try await self.service.store(batch, for: saver)
        }
        let report = try await self.uploads.whenFree {
            try await self.uploadShare.taking { try await receiver.receive(call.request.body) }
        }
        self.metrics.count("tarn_blob_bytes_total", [("operation", "put")], by: report.bytes)
        self.ledger.note(report.bytes, of: saver)
        return try .json(StoredBlobsResponse(stored: report.blobs))
    }

    @Sendable private func commit(_ call: NativeCall) async throws -> Response {
        let (project, key) = (try call.project(), try call.key())
        let commit = try await call.message(CommitRequest.self, limit: self.limits.commitBody)
        let saver = try call.saver(commit.session)
        let outcome = try await self.service.save(commit.saveRequest(key, by: saver))
        let received = self.ledger.take(saver)
        self.service.noteReceived(
            received.bytes,
            for: .init(project: project, name: commit.provenance.template),
            wasKnown: received.wasKnown && outcome.isNew
        )
        self.metrics.count("tarn_saves_total", [("outcome", outcome.isNew ? "saved" : "exists")])
        return try .json(CommitResponse(outcome))
    }

    @Sendable private func endSession(_ call: NativeCall) async throws -> Response {
        let saver = try call.saver(call.text("session"))
        _ = self.ledger.take(saver)
        try await self.service.endSession(of: saver)
        return .noContent
    }
}

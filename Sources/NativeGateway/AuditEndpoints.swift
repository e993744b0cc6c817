internal import AccessPolicy
internal import CacheModel
internal import CacheService
internal import GatewayKit
internal import HTTPTypes
internal import Hummingbird
internal import NativeAPI
internal import Signatures
internal import StorageInterface

extension NativeGateway {
    /// What was done to the store, and by whom.
    var auditEndpoints: [Endpoint] {
        [
            Endpoint(
                method: .get,
                path: "/v1/audit",
                operation: "audit",
                summary: "The rows of the audit log in their order; the chain is that of all projects together.",
                parameters: [
                    .query("project", .string, "Only rows of this project, as owner/name."),
                    .query("after", .integer, "Only rows with greater numbers; 0 unless told otherwise."),
                    .query("limit", .range(1...1_000), "The most rows of the page; 1,000 unless told otherwise."),
                ],
                success: .ok("AuditPage", "A page of rows, and both ends of the log."),
                errors: [400],
                access: .server(.audit),
                handler: self.audit
            ),
            Endpoint(
                method: .get,
                path: "/v1/audit/head",
                operation: "auditHead",
                summary: "Where the audit log ends; whoever remembers it can tell later whether rows were cut off.",
                success: .ok("AuditHead", "The last row's number and hash."),
                access: .server(.audit),
                handler: self.auditHead
            ),
            Endpoint(
                method: .get,
                path: "/v1/projects/{owner}/{name}/entries/{key}/receipt",
                operation: "receipt",
                summary: "The server's signed word about who saved the visible entry with exactly this key.",
                parameters: Endpoint.Parameter.project + [.key, .scope],
                success: .ok("Receipt", "The receipt."),
                errors: [400, 404],
                access: .project(.read),
                handler: self.receipt
            ),
            Endpoint(
                method: .get,
                path: "/v1/server-key",
                operation: "serverKey",
                summary: "The public key that receipts are signed with.",
                success: .ok("ServerKeyResponse", "The key."),
                access: .anyCredential,
                handler: self.serverKey
            ),
        ]
    }

    @Sendable private func audit(_ call: NativeCall) async throws -> Response {
        let filter = AuditFilter(
            project: try call.query["project"].map { try ProjectName($0) },
            after: Int64(try call.query.number("after", in: 0...Int.max, default: 0)),
            limit: try call.query.number("limit", in: 1...1_000, default: 1_000)
        )
        return try .json(try await self.service.auditPage(filter))
    }

    @Sendable private func receipt(_ call: NativeCall) async throws -> Response {
        try .json(try await self.service.receipt(of: self.entry(of: call)))
    }

    @Sendable private func serverKey(_ call: NativeCall) async throws -> Response {
        try .json(ServerKeyResponse(key: self.service.serverKey.bytes))
    }

    @Sendable private func auditHead(_ call: NativeCall) async throws -> Response {
        try .json(try await self.service.auditHead())
    }
}

internal import AccessControl
internal import AccessPolicy
internal import CacheModel
internal import CacheService
internal import GatewayKit
internal import HTTPTypes
internal import Hummingbird
internal import NativeAPI
internal import NIOCore
internal import StorageInterface

extension NativeGateway {
    private static var layerPath: String { "/v1/projects/{owner}/{name}/entries/{key}/layers/{index}" }

    private static var layerParameters: [Endpoint.Parameter] {
        Endpoint.Parameter.project + [.key, .path("index", .range(0...1_000), "The number of the layer, from 0.")]
    }

    /// Whole layers and single files, for people with curl.
    var layerEndpoints: [Endpoint] {
        LayerEncoding.allCases.map(self.download) + LayerEncoding.allCases.map(self.upload) + [
            Endpoint(
                method: .get,
                path: Self.layerPath + "/files/{path...}",
                operation: "file",
                summary: "One file of a layer, as a restore would write it.",
                parameters: Self.layerParameters + [
                    .path("path", .string, "The member's path, each component percent-encoded."), .scope,
                ],
                success: .init(status: 200, summary: "The bytes.", content: .bytes("application/octet-stream")),
                errors: [400, 404, 500],
                access: .project(.read),
                handler: self.file
            )
        ]
    }

    private func download(_ encoding: LayerEncoding) -> Endpoint {
        Endpoint(
            method: .get,
            path: Self.layerPath + ".\(encoding.rawValue)",
            operation: "downloadLayer-\(encoding.rawValue)",
            summary: "A whole layer as .\(encoding.rawValue); canonical zstd has a length and ranges.",
            parameters: Self.layerParameters + [
                .scope,
                .query("form", .words(LayerForm.allCases.map(\.rawValue)), "The saved times (exact), or as stored."),
            ],
            success: .init(status: 200, summary: "The layer.", content: .bytes(encoding.mediaType)),
            alternatives: [
                .init(status: 206, summary: "A range of the canonical zstd.", content: .bytes(encoding.mediaType)),
                .init(status: 304, summary: "If-None-Match names what there is.", content: nil),
            ],
            errors: [400, 404, 416, 500],
            access: .project(.read),
            handler: { call in try await self.sendLayer(call, encoding) }
        )
    }

    private func upload(_ encoding: LayerEncoding) -> Endpoint {
        Endpoint(
            method: .put,
            path: Self.layerPath + ".\(encoding.rawValue)",
            operation: "uploadLayer-\(encoding.rawValue)",
            summary: "Makes an entry of one layer from a tar; its compression is detected by content.",
            parameters: Self.layerParameters + [
                .query("path", .string, "The layer's path; the one name at the top of the tar unless told otherwise."),
                .query("anchor", .words(Anchor.allCases.map(\.rawValue)), "What the path is relative to; workdir."),
                .query("ttl", .string, "The entry's time to live, such as 7d."),
                .query("replace", .boolean, "Whether to put the entry in the place of one that has the key."),
                .scope,
            ],
            request: .bytes(encoding.mediaType),
            success: .ok("CommitResponse", "The entry that has the key now."),
            errors: [400, 413, 507],
            access: .project(.save),
            handler: self.receiveTar
        )
    }

    @Sendable private func sendLayer(_ call: NativeCall, _ encoding: LayerEncoding) async throws -> Response {
        let (index, form) = (try call.layerIndex(), try call.query.choice("form") ?? LayerForm.exact)
        let entry = try await self.entry(of: call)
        var plan = LayerDownload(of: entry, layer: index, form: form, encoding: encoding)
        if plan.hasRanges {
            plan.size = try await self.service.canonicalSize(of: entry, layer: index)
        }
        let answer = try plan.answer(to: call.request.headers)
        guard answer.status != .notModified else { return Response(status: .notModified, headers: answer.headers) }
        let content = try await self.service.layerContent(
            of: entry,
            layer: index,
            form: form,
            encoding: encoding,
            range: answer.range
        )
        return self.stream(content, answer.status, answer.headers, of: entry, call)
    }

    @Sendable private func file(_ call: NativeCall) async throws -> Response {
        let (index, path) = (try call.layerIndex(), try call.filePath())
        let entry = try await self.entry(of: call)
        let content = try await self.service.fileContent(of: entry, layer: index, path: path)
        let name = path.split(separator: UInt8(ascii: "/")).last.map { String(decoding: $0, as: UTF8.self) } ?? ""
        let headers: HTTPFields = [
            .contentType: "application/octet-stream",
            .contentDisposition: "attachment; filename=\"\(LayerDownload.safeFileName(name))\"",
        ]
        return self.stream(content, .ok, headers, of: entry, call)
    }

    private func stream(
        _ content: LayerContent,
        _ status: HTTPResponse.Status,
        _ headers: HTTPFields,
        of entry: Entry,
        _ call: NativeCall
    ) -> Response {
        call.context.stream(status, headers: headers, contentLength: content.size) { writer in
            var sent = 0
            for try await piece in content.pieces {
                try await writer.write(piece)
                sent += piece.readableBytes
            }
            self.service.noteSent(sent, for: .init(project: entry.project, name: entry.provenance.template))
        }
    }

    @Sendable private func receiveTar(_ call: NativeCall) async throws -> Response {
        let upload = try call.tarUpload()
        try call.request.limitBody(to: self.limits.tarBody)
        let body = LimitedBody(base: call.request.body, limit: self.limits.tarBody)
        let outcome = try await self.uploads.whenFree {
            try await self.service.save(tar: body, as: upload, actor: call.actor)
        }
        self.metrics.count("tarn_saves_total", [("outcome", outcome.isNew ? "saved" : "exists")])
        return try .json(CommitResponse(outcome))
    }
}

extension LayerEncoding {
    /// The media type of a layer in this encoding.
    var mediaType: String {
        switch self {
        case .tar: "application/x-tar"
        case .gzip: "application/gzip"
        case .zstd: "application/zstd"
        }
    }
}

/// A body that fails once it has more bytes than allowed.
struct LimitedBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let base: RequestBody
    let limit: Int

    struct AsyncIterator: AsyncIteratorProtocol {
        var base: RequestBody.AsyncIterator
        var rest: Int
        let limit: Int

        mutating func next() async throws -> ByteBuffer? {
            guard let piece = try await self.base.next() else { return nil }
            self.rest -= piece.readableBytes
            guard self.rest >= 0 else { throw GatewayKit.Failure.bodyTooLarge(limit: self.limit) }
            return piece
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: self.base.makeAsyncIterator(), rest: self.limit, limit: self.limit)
    }
}

internal import CacheModel
internal import CacheService
internal import GatewayKit
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import NIOHTTP1
internal import NativeAPI
internal import StorageInterface

extension NativeGateway {
    /// The route that ``hotAnswers`` answers, as metrics name it.
    package static let blobRoute = "/v1/projects/{owner}/{name}/blobs/{digest}"

    /// Single blobs, for whoever knows a digest.
    var blobEndpoints: [Endpoint] {
        [
            Endpoint(
                method: .get,
                path: Self.blobRoute,
                operation: "blob",
                summary:
                    "One blob: its zstd frame if Accept-Encoding names zstd and it is stored as one, else its bytes.",
                parameters: Endpoint.Parameter.project + [.path("digest", .digest, "The blob's digest.")],
                success: .init(status: 200, summary: "The blob.", content: .bytes(BlobForm.mediaType)),
                alternatives: [.init(status: 304, summary: "If-None-Match names the digest.", content: nil)],
                errors: [400, 404, 500],
                handler: self.sendBlob
            )
        ]
    }

    @Sendable private func sendBlob(_ call: NativeCall) async throws -> Response {
        let (vantage, digest) = (try call.vantage(), try call.digest())
        let question = self.hotAnswers.question()
        let record = try await self.service.describe(digest, in: vantage)
        let form = BlobForm(record, request: call.request.headers)
        if let known = call.request.headers[.ifNoneMatch], ContentCoding.names(known, form.tag) {
            return Response(status: .notModified, headers: form.headers)
        }
        // A HEAD needs no bytes; where they would have to be decoded it does without them.
        if call.request.method == .head, !form.isStored {
            return call.context.stream(.ok, headers: form.headers, contentLength: form.size) { _ in }
        }
        let content = try await self.content(of: record, form)
        if try call.sharesAnswers() {
            self.remember(content, form, question, "/v1/projects/\(vantage.project)/blobs/\(digest)", call)
        }
        return call.context.stream(.ok, headers: form.headers, contentLength: form.size) { writer in
            var sender = BlobSender(self.service, expecting: form.size)
            try await sender.send(content, size: form.size, to: &writer)
            self.metrics.count("tarn_blob_bytes_total", [("operation", "get")], by: form.size)
        }
    }

    private func content(of record: BlobRecord, _ form: BlobForm) async throws -> BlobContent {
        guard !form.isStored else { return try await self.service.open(record).content }
        return .bytes(ByteBuffer(bytes: try await self.service.decoded(record)))
    }

    private func remember(
        _ content: BlobContent,
        _ form: BlobForm,
        _ question: HotAnswers.Question,
        _ path: String,
        _ call: NativeCall
    ) {
        if case .bytes = content, form.size > HotAnswers.inlineLimit { return }
        var headers = HTTPHeaders(form.headers.map { ($0.name.rawName, $0.value) })
        headers.add(name: "Content-Length", value: String(form.size))
        self.hotAnswers.note(
            HotAnswers.Representation(headers: headers, content: content, size: form.size),
            encoding: form.encoding,
            isStoredRaw: form.isStored && form.encoding == .raw,
            at: path,
            asked: question
        )
        let answers = self.hotAnswers
        call.context.channel.eventLoop.scheduleTask(in: TimeAmount(answers.lifetime)) { answers.sweep() }
    }
}

/// Which representation of a blob a request gets, and what its head says; pure.
struct BlobForm {
    /// Bytes of any kind.
    static let mediaType = "application/octet-stream"

    /// How the body is encoded.
    let encoding: BlobEncoding
    /// Whether the body is what is stored.
    let isStored: Bool
    /// The bytes of the body.
    let size: Int
    /// Strong for the raw bytes, weak for a frame.
    ///
    /// Another compressor may have made another frame of the same bytes.
    let tag: String

    init(_ record: BlobRecord, request: HTTPFields) {
        let takesFrame = record.encoding == .zstd && ContentCoding.namesZstd(request[.acceptEncoding] ?? "")
        self.encoding = takesFrame ? .zstd : .raw
        self.isStored = takesFrame || record.encoding == .raw
        self.size = takesFrame ? record.storedSize : record.size
        self.tag = takesFrame ? "W/\"\(record.digest)\"" : "\"\(record.digest)\""
    }

    /// The fields of the head, all but its length.
    var headers: HTTPFields {
        var headers: HTTPFields = [
            .contentType: Self.mediaType,
            .eTag: self.tag,
            .cacheControl: "private, max-age=31536000, immutable",
            .vary: "Accept-Encoding",
        ]
        if self.encoding == .zstd { headers[.contentEncoding] = "zstd" }
        return headers
    }
}

internal import CacheModel
internal import CacheService
internal import GatewayKit
internal import HTTPTypes

/// How a layer is announced, and which of its bytes are sent; pure.
struct LayerDownload {
    private let layer: Layer?
    private let form: LayerForm
    private let encoding: LayerEncoding
    private let index: Int
    /// The bytes of the whole, where ranges are served.
    var size: Int?

    init(of entry: Entry, layer index: Int, form: LayerForm, encoding: LayerEncoding) {
        self.layer = entry.layers.indices.contains(index) ? entry.layers[index] : nil
        self.form = form
        self.encoding = encoding
        self.index = index
    }

    /// Whether ranges are served: only of bytes that are stored as they are sent.
    var hasRanges: Bool { self.form == .canonical && self.encoding == .zstd }

    /// The status, the head's fields and the range to send.
    struct Answer {
        var status: HTTPResponse.Status
        var headers: HTTPFields
        var range: Range<Int>?
    }

    /// Decides what a request with these fields gets.
    ///
    /// - Throws: ``GatewayKit/Failure`` with status 416 if the range lies outside.
    func answer(to request: HTTPFields) throws -> Answer {
        guard let layer = self.layer else {
            throw CacheError(.notFound, "the entry has no layer \(self.index)")
        }
        let tag = self.tag(of: layer)
        var headers: HTTPFields = [
            .contentType: self.encoding.mediaType,
            .eTag: tag,
            .acceptRanges: self.hasRanges ? "bytes" : "none",
            .contentDisposition: "attachment; filename=\"\(self.fileName(of: layer))\"",
        ]
        if let known = request[.ifNoneMatch], ContentCoding.names(known, tag) {
            return Answer(status: .notModified, headers: headers, range: nil)
        }
        guard let size = self.size, let text = request[.range], request[.ifRange].map({ $0 == tag }) ?? true else {
            return Answer(status: .ok, headers: headers, range: nil)
        }
        switch ByteRange.parse(text, size: size) {
        case .whole: return Answer(status: .ok, headers: headers, range: nil)
        case .part(let range):
            headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(size)"
            return Answer(status: .partialContent, headers: headers, range: range)
        case .unsatisfiable:
            throw Failure(
                .rangeNotSatisfiable,
                CacheError(.invalidRequest, "range '\(text)' lies outside of the layer's \(size) bytes"),
                headers: [.contentRange: "bytes */\(size)"]
            )
        }
    }

    /// Strong where the bytes are stored ones.
    ///
    /// The size is part of it, because a chunk that was collected and
    /// uploaded again may have been compressed differently.
    private func tag(of layer: Layer) -> String {
        switch self.form {
        case .canonical where self.encoding == .zstd: "\"\(layer.recipe)-\(self.size ?? 0)\""
        case .canonical: "W/\"\(layer.recipe)\""
        case .exact: "W/\"\(layer.recipe)-\(layer.stamps)\""
        }
    }

    private func fileName(of layer: Layer) -> String {
        let name = layer.path.split(separator: "/").last.map(String.init) ?? "layer"
        return Self.safeFileName(name == "." ? "layer" : name) + ".\(self.encoding.rawValue)"
    }

    /// A name that is safe between quotes in a field and as a file name.
    static func safeFileName(_ name: String) -> String {
        let safe = name.unicodeScalars.map { scalar -> Character in
            let isSafe =
                scalar.isASCII && scalar.value > 0x20 && scalar.value < 0x7f
                && scalar != "\"" && scalar != "\\" && scalar != "/" && scalar != "%"
            return isSafe ? Character(scalar) : "_"
        }
        let text = String(safe.prefix(100))
        return text.isEmpty || text.hasPrefix(".") ? "_" + text : text
    }
}

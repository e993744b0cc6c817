public import CacheModel

/// What a template expanded to, and how.
public struct ExpandedKey: Hashable, Sendable {
    /// The template, unexpanded.
    public var template: String
    /// The key's text; ``cacheKey(limit:)`` checks that it can be used.
    public var text: String
    /// The template's parts in order, with their values.
    public var parts: [Provenance.Part]
    /// The files that were checksummed, in the order in which they were read, each once.
    ///
    /// At most ``maximumFileCount`` of them, and texts of at most ``maximumTextLength`` bytes in all, are kept.
    public var files: [Provenance.ChecksummedFile]
    /// What a person should know about the key, one sentence each.
    public var warnings: [String]

    /// The most files described in ``files``.
    public static let maximumFileCount = 256
    /// The most bytes of text kept in ``files``.
    public static let maximumTextLength = 131_072

    /// Creates an expanded key.
    public init(
        template: String,
        text: String,
        parts: [Provenance.Part],
        files: [Provenance.ChecksummedFile] = [],
        warnings: [String] = []
    ) {
        self.template = template
        self.text = text
        self.parts = parts
        self.files = files
        self.warnings = warnings
    }

    /// The key, if it is not empty, not longer than `limit` bytes and free of control characters.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest`, saying which part is to blame and what to do.
    public func cacheKey(limit: Int = CacheKey.maximumJobLength) throws(CacheError) -> CacheKey {
        do {
            return try CacheKey(self.text, limit: limit)
        } catch {
            var message = "key template '\(Self.shortened(self.template))' does not give a usable key"
            if case .controlCharacter = error, let part = self.parts.first(where: Self.hasControlCharacter) {
                message += part.isLiteral ? "" : ", because of the value of '\(part.source)'"
            }
            throw CacheError(.invalidRequest, message, cause: error)
        }
    }

    private static func hasControlCharacter(_ part: Provenance.Part) -> Bool {
        part.value.utf8.contains { $0 < 0x20 || $0 == 0x7f }
    }

    private static func shortened(_ text: String) -> String {
        text.count <= 80 ? text : text.prefix(77) + "..."
    }
}

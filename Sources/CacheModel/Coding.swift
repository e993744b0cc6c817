// How the words are written as JSON: a digest, key, project, scope as its text, a moment as milliseconds since 1970.

extension Digest: Codable {
    /// Reads 64 lowercase hexadecimal digits.
    public init(from decoder: any Decoder) throws {
        self = try decodeText(from: decoder) { try Self(hex: $0) }
    }

    /// Writes 64 lowercase hexadecimal digits.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}

extension CacheKey: Codable {
    /// Reads a key and checks it.
    public init(from decoder: any Decoder) throws {
        self = try decodeText(from: decoder) { try Self($0) }
    }

    /// Writes the key's text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.text)
    }
}

extension ProjectName: Codable {
    /// Reads `owner/name` and checks it.
    public init(from decoder: any Decoder) throws {
        self = try decodeText(from: decoder) { try Self($0) }
    }

    /// Writes `owner/name`.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}

extension Scope: Codable {
    /// Reads a scope and checks it.
    public init(from decoder: any Decoder) throws {
        self = try decodeText(from: decoder) { try Self($0) }
    }

    /// Writes the scope's text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.text)
    }
}

extension Timestamp: Codable {
    /// Reads milliseconds since 1970 UTC.
    public init(from decoder: any Decoder) throws {
        self.init(milliseconds: try decoder.singleValueContainer().decode(Int64.self))
    }

    /// Writes milliseconds since 1970 UTC.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.milliseconds)
    }
}

/// Reads a text and turns what `parse` has to say about it into a decoding error with the place in the document.
private func decodeText<Value>(from decoder: any Decoder, _ parse: (String) throws -> Value) throws -> Value {
    let text = try decoder.singleValueContainer().decode(String.self)
    do {
        return try parse(text)
    } catch {
        throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "\(error)"))
    }
}

/// The shape of a value in the OpenAPI document.
indirect enum Schema: Sendable {
    case string
    case integer
    case boolean
    /// A whole number within bounds.
    case range(ClosedRange<Int>)
    /// 64 lowercase hexadecimal digits.
    case digest
    /// Milliseconds since 1970 UTC.
    case moment
    /// One of a closed set of words.
    case words([String])
    case list(Schema)
    /// An object with any keys.
    case map(Schema)
    /// Another message.
    case reference(String)
    /// The value or `null`.
    case nullable(Schema)

    /// The JSON Schema.
    var document: JSONValue {
        switch self {
        case .string: ["type": "string"]
        case .integer: ["type": "integer", "format": "int64"]
        case .boolean: ["type": "boolean"]
        case .range(let range):
            ["type": "integer", "minimum": .number(range.lowerBound), "maximum": .number(range.upperBound)]
        case .digest: ["type": "string", "pattern": "^[0-9a-f]{64}$", "description": "SHA-256 of the raw bytes."]
        case .moment: ["type": "integer", "format": "int64", "description": "Milliseconds since 1970 UTC."]
        case .words(let words): ["type": "string", "enum": .list(words.map { .text($0) })]
        case .list(let element): ["type": "array", "items": element.document]
        case .map(let value): ["type": "object", "additionalProperties": value.document]
        case .reference(let name): ["$ref": .text("#/components/schemas/\(name)")]
        case .nullable(let schema): ["anyOf": [schema.document, ["type": "null"]]]
        }
    }
}

/// A JSON object of the native API.
struct Message: Sendable {
    struct Field: Sendable {
        var name: String
        var schema: Schema
        var isRequired: Bool

        static func required(_ name: String, _ schema: Schema) -> Self {
            Self(name: name, schema: schema, isRequired: true)
        }

        static func optional(_ name: String, _ schema: Schema) -> Self {
            Self(name: name, schema: schema, isRequired: false)
        }
    }

    var name: String
    var summary: String
    var fields: [Field]

    init(_ name: String, _ summary: String, _ fields: [Field]) {
        self.name = name
        self.summary = summary
        self.fields = fields
    }

    /// The JSON Schema.
    var document: JSONValue {
        [
            "type": "object", "description": .text(self.summary),
            "required": .list(self.fields.filter(\.isRequired).map { .text($0.name) }),
            "properties": .object(
                Dictionary(uniqueKeysWithValues: self.fields.map { ($0.name, $0.schema.document) })
            ),
        ]
    }
}

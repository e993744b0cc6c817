internal import HTTPTypes
internal import NativeAPI

/// A JSON document that is put together by hand.
indirect enum JSONValue: Encodable, ExpressibleByStringLiteral, ExpressibleByDictionaryLiteral,
    ExpressibleByArrayLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral
{
    case text(String)
    case number(Int)
    case flag(Bool)
    case list([JSONValue])
    case object([String: JSONValue])

    init(stringLiteral value: String) { self = .text(value) }
    init(integerLiteral value: Int) { self = .number(value) }
    init(booleanLiteral value: Bool) { self = .flag(value) }
    init(arrayLiteral elements: JSONValue...) { self = .list(elements) }
    init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(Dictionary(elements) { $1 })
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .number(let number): try container.encode(number)
        case .flag(let flag): try container.encode(flag)
        case .list(let list): try container.encode(list)
        case .object(let object): try container.encode(object)
        }
    }
}

/// Makes the OpenAPI document from the table of endpoints.
enum OpenAPI {
    /// What every request can get: a bad head, a limit, a server that is not able to answer.
    private static let everywhere = [400, 414, 429, 431, 500, 503]

    /// The document, OpenAPI 3.1.
    static func document(of endpoints: [Endpoint], version: String) -> JSONValue {
        var paths: [String: [String: JSONValue]] = [:]
        for endpoint in endpoints {
            paths[endpoint.documentPath, default: [:]][endpoint.method.rawValue.lowercased()] = self.operation(endpoint)
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Tarn", "version": .text(version),
                "summary": "Content-addressed build cache: the native API.",
                "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
            ],
            "paths": .object(paths.mapValues { .object($0) }),
            "components": [
                "schemas": .object(Dictionary(uniqueKeysWithValues: Message.all.map { ($0.name, $0.document) }))
            ],
        ]
    }

    private static func operation(_ endpoint: Endpoint) -> JSONValue {
        var responses: [String: JSONValue] = [:]
        for answer in [endpoint.success] + endpoint.alternatives {
            responses[String(answer.status)] = self.response(answer.summary, answer.content)
        }
        for status in endpoint.errors + Self.everywhere {
            responses[String(status)] = self.response(
                HTTPResponse.Status(code: status).reasonPhrase + ".",
                .message("ErrorResponse")
            )
        }
        responses["default"] = self.response("A failure.", .message("ErrorResponse"))
        var operation: [String: JSONValue] = [
            "operationId": .text(endpoint.operation), "summary": .text(endpoint.summary),
            "responses": .object(responses),
        ]
        if !endpoint.parameters.isEmpty {
            operation["parameters"] = .list(endpoint.parameters.map(self.parameter))
        }
        if let content = endpoint.request {
            operation["requestBody"] = [
                "required": .flag(!endpoint.isRequestOptional), "content": self.content(content),
            ]
        }
        return .object(operation)
    }

    private static func parameter(_ parameter: Endpoint.Parameter) -> JSONValue {
        [
            "name": .text(parameter.name), "in": .text(parameter.place.rawValue),
            "required": .flag(parameter.isRequired), "description": .text(parameter.summary),
            "schema": parameter.schema.document,
        ]
    }

    private static func response(_ summary: String, _ content: Endpoint.Content?) -> JSONValue {
        let headers: JSONValue = [
            "Tarn-Request-ID": [
                "description": "The request's name in the server's log.", "schema": ["type": "string"],
            ]
        ]
        guard let content else { return ["description": .text(summary), "headers": headers] }
        return ["description": .text(summary), "headers": headers, "content": self.content(content)]
    }

    private static func content(_ content: Endpoint.Content) -> JSONValue {
        switch content {
        case .message(let name): ["application/json": ["schema": Schema.reference(name).document]]
        case .bytes(let mediaType): .object([mediaType: .object([:])])
        }
    }
}

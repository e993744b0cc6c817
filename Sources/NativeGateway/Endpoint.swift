internal import HTTPTypes
internal import Hummingbird
internal import NativeAPI

/// One row of the table that the routes and the OpenAPI document are made from.
struct Endpoint: Sendable {
    /// The method.
    var method: HTTPRequest.Method
    /// The path as a template; `{path...}` takes the rest of the path.
    var path: String
    /// The operation's identifier in the document.
    var operation: String
    /// What it does, in a sentence.
    var summary: String
    /// What the path and the query say.
    var parameters: [Parameter] = []
    /// What the body is.
    var request: Content?
    /// Whether the body may be left out.
    var isRequestOptional = false
    /// What a success looks like.
    var success: Answer
    /// Further answers that are no errors.
    var alternatives: [Answer] = []
    /// The statuses of errors; all have an `ErrorResponse`.
    var errors: [Int] = []
    /// What a request must be allowed to do before it is answered.
    var access: AccessRule
    /// Answers a request.
    var handler: @Sendable (NativeCall) async throws -> Response

    /// A parameter of the path or the query.
    struct Parameter: Sendable {
        enum Place: String, Sendable {
            case path
            case query
        }

        var name: String
        var place: Place
        var schema: Schema
        var summary: String
        var isRequired: Bool

        static func query(_ name: String, _ schema: Schema, _ summary: String, isRequired: Bool = false) -> Self {
            Self(name: name, place: .query, schema: schema, summary: summary, isRequired: isRequired)
        }

        static func path(_ name: String, _ schema: Schema, _ summary: String) -> Self {
            Self(name: name, place: .path, schema: schema, summary: summary, isRequired: true)
        }
    }

    /// A body.
    enum Content: Sendable {
        /// A JSON message with this schema.
        case message(String)
        /// Bytes of this media type.
        case bytes(String)
    }

    /// A status with its body.
    struct Answer: Sendable {
        var status: Int
        var summary: String
        var content: Content?
    }

    /// The path as the router wants it.
    var routerPath: String {
        guard self.path.hasSuffix("...}"), let start = self.path.lastIndex(of: "{") else { return self.path }
        return self.path[..<start] + "**"
    }

    /// The path as the document wants it.
    var documentPath: String {
        self.path.hasSuffix("...}") ? self.path.dropLast(4) + "}" : self.path
    }
}

extension Endpoint.Parameter {
    /// The two parts of a project's name.
    static let project = [
        Self.path("owner", .string, "The project's owner."), .path("name", .string, "The project's name."),
    ]
    /// A key in a path.
    static let key = Self.path(
        "key",
        .string,
        "The key as one percent-encoded component: '/' is %2F, '%' is %25; '+' stands for itself."
    )
    /// The scope of an entry.
    static let scope = Self.query("scope", .string, "The entry's scope; 'shared' unless told otherwise.")
}

extension Endpoint.Answer {
    /// 200 with a JSON message.
    static func ok(_ schema: String, _ summary: String) -> Self {
        Self(status: 200, summary: summary, content: .message(schema))
    }

    /// 204.
    static func noContent(_ summary: String) -> Self { Self(status: 204, summary: summary, content: nil) }
}

package import CacheModel
package import HTTPTypes
internal import Hummingbird

/// A failure as a gateway answers it: an error with its status and what the answer's head has to say.
package struct Failure: Error {
    /// The status of the answer.
    package var status: HTTPResponse.Status
    /// What went wrong.
    package var error: CacheError
    /// Fields that the answer's head needs, such as `Allow`.
    package var headers: HTTPFields

    /// Creates a failure whose status differs from that of the error's code.
    package init(_ status: HTTPResponse.Status, _ error: CacheError, headers: HTTPFields = [:]) {
        self.status = status
        self.error = error
        self.headers = headers
    }

    /// Creates a failure with the status of the error's code.
    package init(_ error: CacheError) {
        let pauses: [CacheError.Code: String] = [.unavailable: "2", .quotaExceeded: "60"]
        let retry: HTTPFields = pauses[error.code].map { [.retryAfter: $0] } ?? [:]
        self.init(HTTPResponse.Status(error.code), error, headers: retry)
    }

    /// A failure of the server's own: what it was stays in the log, where `id` leads to it.
    package static func unexpected(requestID id: String) -> Self {
        Self(
            .internalServerError,
            CacheError(.internal, "the server failed; its log has the reason under request \(id)")
        )
    }

    /// A request body over its limit.
    package static func bodyTooLarge(limit: Int) -> Self {
        Self(
            .contentTooLarge,
            CacheError(
                .quotaExceeded,
                "the body is larger than the \(Quantity.describe(bytes: limit)) allowed here; send less at once"
            )
        )
    }
}

extension CacheError.Code {
    /// Something that no other code describes: a fault of the server.
    package static let `internal` = Self("internal")
}

extension HTTPResponse.Status {
    /// The status that goes with a code.
    package init(_ code: CacheError.Code) {
        self =
            switch code {
            case .notFound: .notFound
            case .invalidRequest: .badRequest
            case .digestMismatch: .unprocessableContent
            case .alreadyExists: .conflict
            case .forbidden: .forbidden
            case .quotaExceeded: HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
            case .unavailable: .serviceUnavailable
            default: .internalServerError
            }
    }
}

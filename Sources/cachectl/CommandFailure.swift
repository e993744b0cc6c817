internal import CacheClient
internal import CacheModel
internal import CommandLineKit
internal import KeyTemplates

/// What the process ends with; the manual lists them (`cachectl --help`).
enum CommandStatus: Int32, Hashable, Sendable {
    case done = 0
    case failure = 1
    case usage = 2
    case partial = 3
    case notFound = 10
    case unreachable = 11
    case notAuthorized = 12
    case interrupted = 130

    /// What a check has mended, as with `fsck(8)` and `tarnd check`.
    static let repaired = Self.failure
    /// What a check leaves behind, as with `fsck(8)` and `tarnd check`.
    static let damage = Self.usage

    /// The status for an error of the layers below.
    init(for error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure.status
        case let error as CacheError where error.cause is UnreachableServer: self = .unreachable
        case let error as CacheError: self = Self(for: error.code)
        case is InvalidKey, is KeyTemplateError: self = .usage
        case is Output.Closed: self = .done
        case is CancellationError: self = .interrupted
        default: self = .failure
        }
    }

    private init(for code: CacheError.Code) {
        switch code {
        case .notFound: self = .notFound
        case .forbidden: self = .notAuthorized
        default: self = .failure
        }
    }
}

/// Ends a command with a status of its own.
struct CommandFailure: Error {
    /// What the process ends with.
    var status: CommandStatus
    /// What to tell; `nil` if everything was said already.
    var message: String?

    init(_ status: CommandStatus, _ message: String? = nil) {
        self.status = status
        self.message = message
    }
}

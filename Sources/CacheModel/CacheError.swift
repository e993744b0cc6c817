/// An error that crosses a module boundary.
///
/// Callers decide on ``code`` alone. ``message`` says what was being done to
/// what, and what a person can do next; ``cause`` is the error of the layer
/// below.
public struct CacheError: Error, Sendable {
    /// What the caller can do about it.
    public var code: Code
    /// What was being done to what: lower case, no full stop.
    public var message: String
    /// The error of the layer below.
    public var cause: (any Error)?

    /// Creates an error.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// What a caller can do about the error.
    ///
    /// New codes may be added in any release, so a `switch` needs a `default`.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code as it appears in logs, metrics and answers.
        public let description: String

        /// Creates a code from its text, as a client does with a server's answer.
        public init(_ description: String) { self.description = description }

        /// There is no such entry or blob.
        public static let notFound = Self("not-found")
        /// The request can never succeed as it is.
        public static let invalidRequest = Self("invalid-request")
        /// The bytes do not have the digest or the size they were announced with.
        public static let digestMismatch = Self("digest-mismatch")
        /// The key exists, and entries are immutable.
        public static let alreadyExists = Self("already-exists")
        /// There is no credential, or none that is valid.
        public static let unauthenticated = Self("unauthenticated")
        /// The credential does not reach this far.
        public static let forbidden = Self("forbidden")
        /// A quota, a limit or the disk is full.
        public static let quotaExceeded = Self("quota-exceeded")
        /// Something failed in a way that a later try may survive; the only code that is retried.
        public static let unavailable = Self("unavailable")
        /// Stored data is damaged.
        public static let corrupt = Self("corrupt")
    }
}

extension CacheError: CustomStringConvertible {
    /// The message and the chain of causes, on one line; a cause that has nothing to add is left out.
    public var description: String {
        guard let cause = self.cause.map({ "\($0)" }), !cause.isEmpty else { return self.message }
        return "\(self.message): \(cause)"
    }
}

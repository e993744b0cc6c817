/// The text a job saves under, expanded from a key template.
///
/// A key is opaque data to the server: nothing is ever parsed out of it, and it
/// never becomes a path.
public struct CacheKey: Hashable, Sendable {
    /// The longest key the store accepts, in UTF-8 bytes.
    public static let maximumLength = 1_024
    /// The longest key that `save_cache` and `restore_cache` accept: CircleCI's limit.
    public static let maximumJobLength = 900

    /// The key as the client sent it.
    public let text: String

    /// Accepts a key of 1 to `limit` bytes without control characters.
    ///
    /// - Throws: ``InvalidKey``.
    public init(_ text: String, limit: Int = Self.maximumLength) throws(InvalidKey) {
        let length = text.utf8.count
        guard length > 0 else { throw .empty }
        guard length <= limit else { throw .tooLong(length, limit: limit) }
        for (offset, byte) in text.utf8.enumerated() where byte < 0x20 || byte == 0x7f {
            throw .controlCharacter(byte, offset: offset)
        }
        self.text = text
    }
}

extension CacheKey {
    /// Compares bytes, as stores do; Swift's strings are also equal if they only look the same.
    public static func == (one: Self, other: Self) -> Bool { one.text.hasBytes(of: other.text) }
}

extension CacheKey: CustomStringConvertible {
    /// The key's text.
    public var description: String { self.text }
}

/// Why some text is not a cache key.
public enum InvalidKey: Error, Hashable, Sendable, CustomStringConvertible {
    case empty
    case tooLong(Int, limit: Int)
    case controlCharacter(UInt8, offset: Int)

    /// What is wrong, and what to do about it.
    public var description: String {
        switch self {
        case .empty: "the key is empty"
        case .tooLong(let length, let limit):
            "the key has \(length) bytes, more than the \(limit) allowed; shorten its fixed part"
        case .controlCharacter(let byte, let offset):
            "the key contains control character \(byte) at byte \(offset); keys are printable text"
        }
    }
}

/// `owner/name`: keys, quotas and visibility end at a project.
public struct ProjectName: Hashable, Sendable {
    /// Who owns the project: a user, an organisation or a group path such as `team/backend`'s first part.
    public let owner: String
    /// The project's name below its owner.
    public let name: String

    /// Parses `owner/name`; each part has 1 to 100 letters, digits, `.`, `_` or `-` and does not start with a dot.
    ///
    /// - Throws: ``CacheError`` with code `invalidRequest`.
    public init(_ text: some StringProtocol) throws(CacheError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw CacheError(.invalidRequest, "project '\(text)' is not of the form owner/name")
        }
        try self.init(owner: String(parts[0]), name: String(parts[1]))
    }

    /// Creates a name from its two parts, which obey the rules of ``init(_:)``.
    ///
    /// - Throws: ``CacheError`` with code `invalidRequest`.
    public init(owner: String, name: String) throws(CacheError) {
        for part in [owner, name] {
            let allowed = part.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
            guard allowed, (1...100).contains(part.utf8.count), !part.hasPrefix(".") else {
                throw CacheError(
                    .invalidRequest,
                    "project '\(owner)/\(name)': each part has 1 to 100 letters, digits, '.', '_' or '-'"
                )
            }
        }
        self.owner = owner
        self.name = name
    }
}

extension ProjectName: CustomStringConvertible {
    /// `owner/name`.
    public var description: String { "\(self.owner)/\(self.name)" }
}

/// The part of a project that a credential may write: `shared`, `branch/main`, `pr/42`, `tag/v1`.
public struct Scope: Hashable, Sendable {
    /// The scope's text, 1 to 255 bytes without control characters.
    public let text: String

    /// The one scope of a project whose jobs trust each other: CircleCI's semantics, and the default.
    public static let shared = Self(unchecked: "shared")

    /// Accepts a scope of 1 to 255 bytes without control characters.
    ///
    /// - Throws: ``CacheError`` with code `invalidRequest`.
    public init(_ text: String) throws(CacheError) {
        guard (1...255).contains(text.utf8.count), text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
            throw CacheError(.invalidRequest, "a scope has 1 to 255 bytes and no control characters")
        }
        self.text = text
    }

    private init(unchecked text: String) { self.text = text }

    /// How the scopes begin that anybody who can open a pull request, and any person at a terminal, may get to write.
    public static let unprotectedPrefixes = ["pr/", "fork/", "dev/"]

    /// Whether what is saved here must not push out what others rely on.
    public var isUnprotected: Bool {
        Self.unprotectedPrefixes.contains { self.text.utf8.starts(with: $0.utf8) }
    }
}

extension Scope {
    /// Compares bytes, as stores do; Swift's strings are also equal if they only look the same.
    public static func == (one: Self, other: Self) -> Bool { one.text.hasBytes(of: other.text) }
}

extension String {
    /// Whether two texts are the same bytes; equal bytes have equal hash values.
    fileprivate func hasBytes(of other: String) -> Bool {
        // The first comparison is the fast one.
        self == other && self.utf8.elementsEqual(other.utf8)
    }
}

extension Scope: CustomStringConvertible {
    /// The scope's text.
    public var description: String { self.text }
}

/// One key of a question, and how it has to match.
public struct KeyPattern: Hashable, Sendable {
    /// How a pattern matches keys.
    public enum Match: String, Hashable, Sendable, Codable {
        /// Any key that starts with the pattern; the newest wins. CircleCI's rule.
        case prefix
        /// Only the key itself.
        case exact
    }

    /// The key, or the start of it.
    public var key: CacheKey
    /// How it has to match.
    public var match: Match

    /// Creates a pattern.
    public init(_ key: CacheKey, match: Match = .prefix) {
        self.key = key
        self.match = match
    }
}

/// A question asked of a project: patterns in order; for each the scopes in
/// order; within both the newest entry.
public struct KeyQuery: Hashable, Sendable {
    /// The most patterns one question may have.
    public static let maximumPatterns = 20

    /// Where to look.
    public var project: ProjectName
    /// The scopes to look in, in order.
    public var scopes: [Scope]
    /// The patterns to try, in order.
    public var patterns: [KeyPattern]

    /// Creates a question.
    public init(_ patterns: [KeyPattern], in project: ProjectName, scopes: [Scope] = [.shared]) {
        self.project = project
        self.scopes = scopes
        self.patterns = patterns
    }
}

/// Why a template cannot be parsed or expanded, in the words that CircleCI's agent uses.
public struct KeyTemplateError: Error, Hashable, Sendable {
    /// What kind of error it is, for callers that decide on it.
    public enum Kind: Hashable, Sendable {
        /// The template does not obey the grammar.
        case syntax
        /// There is no such function.
        case unknownFunction(String)
        /// There is no such field.
        case unknownField(String)
        /// A file to be checksummed cannot be read, or nothing matches a glob.
        case unreadableFile(String)
    }

    /// What kind of error it is.
    public var kind: Kind
    /// Where the trouble is in the template, in bytes from 0.
    public var offset: Int
    /// What went wrong: `template: cacheKey:1: function "parameters" not defined`.
    public var message: String
    /// What to do about it, where more can be said than CircleCI says.
    public var hint: String?

    /// Creates an error.
    public init(_ kind: Kind, offset: Int, message: String, hint: String? = nil) {
        self.kind = kind
        self.offset = offset
        self.message = message
        self.hint = hint
    }

    /// An error of Go's template parser, which names only the line.
    static func parsing(
        _ template: [UInt8],
        at offset: Int,
        _ problem: String,
        kind: Kind = .syntax,
        hint: String? = nil
    ) -> Self {
        let line = 1 + template.prefix(offset).count { $0 == UInt8(ascii: "\n") }
        return Self(kind, offset: offset, message: "template: cacheKey:\(line): \(problem)", hint: hint)
    }

    /// An error of Go's template executor, which names the line, the byte in the line and the command.
    static func executing(
        _ template: [UInt8],
        at offset: Int,
        command: String,
        _ problem: String,
        kind: Kind = .syntax,
        hint: String? = nil
    ) -> Self {
        let before = template.prefix(offset)
        let line = 1 + before.count { $0 == UInt8(ascii: "\n") }
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let place = "template: cacheKey:\(line):\(offset - lineStart): executing \"cacheKey\" at <\(command)>"
        return Self(kind, offset: offset, message: "\(place): \(problem)", hint: hint)
    }
}

extension KeyTemplateError: CustomStringConvertible {
    /// CircleCI's line: `error computing cache key: ` and the message.
    public var description: String { "error computing cache key: \(self.message)" }
}

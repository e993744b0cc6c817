/// The text of a key with actions in it: `deps1-{{ .Branch }}-{{ checksum "requirements.txt" }}`.
///
/// The grammar is CircleCI's, which is Go's `text/template` with a closed list
/// of actions; ``TemplateAction`` lists them together with Tarn's extensions.
public struct KeyTemplate: Hashable, Sendable {
    /// The longest template accepted, in UTF-8 bytes.
    public static let maximumLength = 65_536

    /// The template as it was written.
    public let text: String
    /// The literal texts and actions in order; no two literal texts follow each other.
    public let segments: [Segment]

    /// Parses a template.
    ///
    /// - Throws: ``KeyTemplateError`` with the byte offset of what is wrong.
    public init(_ text: String) throws(KeyTemplateError) {
        var parser = TemplateParser(text)
        self.segments = try parser.parse()
        self.text = text
    }

    /// One literal text or one action of a template.
    public struct Segment: Hashable, Sendable {
        /// What the segment stands for.
        public enum Content: Hashable, Sendable {
            /// Text that is part of the key as it is.
            case literal(String)
            /// Something that expands to a value.
            case action(TemplateAction)
        }

        /// What the segment stands for.
        public var content: Content
        /// The literal text, or the action in its usual spelling: `checksum "requirements.txt"`.
        public var source: String
        /// Where the literal text or the action's command starts in the template, in bytes from 0.
        public var offset: Int

        /// Creates a segment.
        public init(_ content: Content, source: String, offset: Int) {
            self.content = content
            self.source = source
            self.offset = offset
        }
    }

    /// The actions in order.
    public var actions: [TemplateAction] {
        self.segments.compactMap { segment in
            guard case .action(let action) = segment.content else { return nil }
            return action
        }
    }

    /// The `<< … >>` texts in the template, which CircleCI resolves when it compiles the config.
    public var unexpandedParameters: [String] {
        self.segments.flatMap { segment in
            guard case .literal(let text) = segment.content else { return [String]() }
            return ParameterText.split(text).compactMap { $0.isParameter ? $0.text : nil }
        }
    }
}

extension KeyTemplate: CustomStringConvertible {
    /// The template as it was written.
    public var description: String { self.text }
}

/// What can stand between `{{` and `}}`.
public enum TemplateAction: Hashable, Sendable {
    /// `.Branch`: the branch; on a pull request of a fork `pull/<number>`.
    case branch
    /// `.BuildNum`: the number of the job.
    case buildNum
    /// `.Revision`: the commit.
    case revision
    /// `.CheckoutKey`: the key that the repository was checked out with.
    case checkoutKey
    /// `.Environment.NAME`: an environment variable.
    case environment(String)
    /// `checksum "file"`: the SHA-256 of a file in CircleCI's encoding; several files or globs are an extension.
    ///
    /// ``KeyChecksum`` says what is computed.
    case checksum([String])
    /// `hashFiles "glob" …` or `hashFiles('glob', …)`: what GitHub Actions' function of that name computes; an extension.
    ///
    /// ``KeyChecksum`` says what is computed.
    case hashFiles([String])
    /// `epoch`: seconds since 1970 UTC.
    case epoch
    /// `arch`: operating system, processor and processor model.
    case arch

    /// Whether the value differs from job to job whatever is built, so that no later job has the same key.
    public var isRotating: Bool {
        switch self {
        case .epoch, .buildNum, .revision: true
        case .environment(let name):
            [
                "CIRCLE_WORKFLOW_ID", "CIRCLE_WORKFLOW_JOB_ID", "CIRCLE_SHA1", "CIRCLE_BUILD_NUM", "CIRCLE_PIPELINE_ID",
                "CIRCLE_BUILD_URL",
            ].contains(name)
        default: false
        }
    }
}

/// Splits literal text at `<< … >>`.
struct ParameterText: Hashable, Sendable {
    var text: String
    var isParameter: Bool

    static func split(_ text: String) -> [Self] {
        var pieces: [Self] = []
        var rest = text[...]
        while let start = Self.findPair(of: UInt8(ascii: "<"), in: rest),
            let end = Self.findPair(of: UInt8(ascii: ">"), in: rest[start...])
        {
            let after = rest.utf8.index(end, offsetBy: 2)
            if start > rest.startIndex { pieces.append(Self(text: String(rest[..<start]), isParameter: false)) }
            pieces.append(Self(text: String(rest[start..<after]), isParameter: true))
            rest = rest[after...]
        }
        if !rest.isEmpty { pieces.append(Self(text: String(rest), isParameter: false)) }
        return pieces
    }

    /// Where the same ASCII character stands twice, one after the other.
    private static func findPair(of byte: UInt8, in text: Substring) -> Substring.Index? {
        var rest = text.utf8[...]
        while let first = rest.firstIndex(of: byte) {
            rest = rest[rest.index(after: first)...]
            if rest.first == byte { return first }
        }
        return nil
    }
}

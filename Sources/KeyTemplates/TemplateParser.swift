/// Reads a template as Go's `text/template` would, restricted to the actions that keys have.
struct TemplateParser {
    private let text: String
    private let bytes: [UInt8]
    private var position = 0
    private var segments: [KeyTemplate.Segment] = []

    init(_ text: String) {
        self.text = text
        self.bytes = Array(text.utf8)
    }

    mutating func parse() throws(KeyTemplateError) -> [KeyTemplate.Segment] {
        guard self.bytes.count <= KeyTemplate.maximumLength else {
            throw self.parseError(
                at: 0,
                "template has \(self.bytes.count) bytes, more than the \(KeyTemplate.maximumLength) allowed"
            )
        }
        var trimsNext = false
        while self.position < self.bytes.count {
            trimsNext = try self.parseLiteralAndAction(trimmingStart: trimsNext)
        }
        return self.segments
    }

    /// Parses text up to an action, and the action; returns whether it ends in Go's trim marker ` -}}`.
    private mutating func parseLiteralAndAction(trimmingStart: Bool) throws(KeyTemplateError) -> Bool {
        var start = self.position
        while self.position < self.bytes.count, !self.isNext("{{") { self.position += 1 }
        var end = self.position
        let hasAction = end < self.bytes.count
        if hasAction { self.position += 2 }
        if hasAction, self.isNext("-"), self.byte(at: self.position + 1).map(Self.isSpace) ?? false {
            self.position += 1
            while end > start, Self.isSpace(self.bytes[end - 1]) { end -= 1 }
        }
        if trimmingStart {
            while start < end, Self.isSpace(self.bytes[start]) { start += 1 }
        }
        self.appendLiteral(start..<end)
        return hasAction ? try self.parseAction() : false
    }

    private mutating func appendLiteral(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        let literal = String(decoding: self.bytes[range], as: UTF8.self)
        self.segments.append(.init(.literal(literal), source: literal, offset: range.lowerBound))
    }

    private mutating func parseAction() throws(KeyTemplateError) -> Bool {
        self.skipSpace()
        let offset = self.position
        guard let first = self.byte(at: offset) else { throw self.parseError(at: offset, "unclosed action") }
        if self.isNext("}}") { throw self.parseError(at: offset, "missing value for command") }
        if first == UInt8(ascii: ".") {
            try self.parseField(at: offset)
        } else if Self.isNameStart(first) {
            try self.parseFunction(at: offset)
        } else {
            throw self.unexpected(in: "command")
        }
        return try self.parseClose()
    }

    private mutating func parseClose() throws(KeyTemplateError) -> Bool {
        let hasSpace = self.skipSpace() > 0
        let trims = hasSpace && self.isNext("-}}")
        if trims { self.position += 1 }
        guard self.position < self.bytes.count else {
            throw self.parseError(at: self.position, "unclosed action")
        }
        guard self.isNext("}}") else { throw self.unexpected(in: "operand") }
        self.position += 2
        return trims
    }

    private mutating func parseField(at offset: Int) throws(KeyTemplateError) {
        var names: [String] = []
        while self.isNext("."), self.byte(at: self.position + 1).map(Self.isNameStart) ?? false {
            self.position += 1
            names.append(self.takeName())
        }
        guard let name = names.first else { throw self.unexpected(in: "command") }
        let command = "." + names.joined(separator: ".")
        let fields: [String: TemplateAction] = [
            "Branch": .branch, "BuildNum": .buildNum, "Revision": .revision, "CheckoutKey": .checkoutKey,
        ]
        let action: TemplateAction
        if name == "Environment", names.count == 2 {
            action = .environment(names[1])
        } else if names.count == 1, let field = fields[name] {
            action = field
        } else {
            throw self.unknownField(names, command: command, at: offset)
        }
        if self.nextIsArgument() {
            let problem = "\(names.last ?? name) has arguments but cannot be invoked as function"
            throw self.executionError(at: offset, command: command, problem)
        }
        self.segments.append(.init(.action(action), source: command, offset: offset))
    }

    private func unknownField(_ names: [String], command: String, at offset: Int) -> KeyTemplateError {
        let isKnown = names[0] == "Environment" || ["Branch", "BuildNum", "Revision", "CheckoutKey"].contains(names[0])
        let field = isKnown ? names.last ?? names[0] : names[0]
        let problem =
            names == ["Environment"]
            ? "the name of a variable is missing"
            : "can't evaluate field \(field) in type \(isKnown ? "string" : "cacheKey")"
        return .executing(
            self.bytes,
            at: offset,
            command: command,
            problem,
            kind: .unknownField(field),
            hint: "the fields are .Branch, .BuildNum, .Revision, .CheckoutKey and .Environment.NAME"
        )
    }

    private mutating func parseFunction(at offset: Int) throws(KeyTemplateError) {
        let name = self.takeName()
        switch name {
        case "epoch", "arch":
            let count = try self.takeArguments(of: name).count
            guard count == 0 else {
                throw self.executionError(
                    at: offset,
                    command: name,
                    "wrong number of args for \(name): want 0 got \(count)"
                )
            }
            self.segments.append(.init(.action(name == "epoch" ? .epoch : .arch), source: name, offset: offset))
        case "checksum", "hashFiles":
            let arguments = try self.takeArguments(of: name)
            guard !arguments.isEmpty else {
                let problem = "wrong number of args for \(name): want 1 got 0"
                throw self.executionError(at: offset, command: name, problem)
            }
            let values = arguments.map(\.value)
            let source = ([name] + arguments.map(\.source)).joined(separator: " ")
            let action: TemplateAction = name == "checksum" ? .checksum(values) : .hashFiles(values)
            self.segments.append(.init(.action(action), source: source, offset: offset))
        default:
            throw self.unknownFunction(name, at: offset)
        }
    }

    private func unknownFunction(_ name: String, at offset: Int) -> KeyTemplateError {
        let isCompiled = ["parameters", "pipeline", "matrix"].contains(name)
        return .parsing(
            self.bytes,
            at: offset,
            "function \"\(name)\" not defined",
            kind: .unknownFunction(name),
            hint: isCompiled
                ? "write << \(name).… >> in .circleci/config.yml: CircleCI's config compiler resolves it before the job"
                : "the functions are checksum, hashFiles, epoch and arch"
        )
    }

    /// Takes the strings after a function's name; `hashFiles` may have them in parentheses, as in GitHub Actions.
    private mutating func takeArguments(of name: String) throws(KeyTemplateError) -> [(value: String, source: String)] {
        let isCall = name == "hashFiles"
        var arguments: [(value: String, source: String)] = []
        self.skipSpace()
        let hasParenthesis = isCall && self.isNext("(")
        if hasParenthesis { self.position += 1 }
        while true {
            self.skipSpace()
            guard let byte = self.byte(at: self.position) else { break }
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "`") || isCall && byte == UInt8(ascii: "'") {
                arguments.append(try self.takeString(closing: byte))
            } else if hasParenthesis, byte == UInt8(ascii: ","), !arguments.isEmpty {
                self.position += 1
            } else {
                break
            }
        }
        if hasParenthesis {
            guard self.isNext(")") else { throw self.parseError(at: self.position, "unclosed left paren") }
            self.position += 1
        } else if self.position > 0, Self.isSpace(self.bytes[self.position - 1]) {
            // The space before a trim marker belongs to the marker.
            self.position -= 1
        }
        return arguments
    }

    private mutating func takeString(closing quote: UInt8) throws(KeyTemplateError) -> (value: String, source: String) {
        let start = self.position
        var value: [UInt8] = []
        self.position += 1
        while let byte = self.byte(at: self.position), byte != quote {
            self.position += 1
            guard quote == UInt8(ascii: "\"") else {
                value.append(byte)
                continue
            }
            if byte == UInt8(ascii: "\n") { break }
            value.append(byte == UInt8(ascii: "\\") ? try self.takeEscape() : byte)
        }
        guard self.byte(at: self.position) == quote else {
            let kind = quote == UInt8(ascii: "`") ? "raw quoted string" : "quoted string"
            throw self.parseError(at: start, "unterminated \(kind)")
        }
        self.position += 1
        let text = String(decoding: value, as: UTF8.self)
        guard quote == UInt8(ascii: "'") else {
            return (text, String(decoding: self.bytes[start..<self.position], as: UTF8.self))
        }
        return (text, Self.quoted(value))
    }

    /// A text in double quotes, as templates have it.
    private static func quoted(_ value: [UInt8]) -> String {
        let escapes: [UInt8: String] = [
            UInt8(ascii: "\""): "\\\"", UInt8(ascii: "\\"): "\\\\", UInt8(ascii: "\n"): "\\n",
        ]
        let escaped = value.flatMap { byte in escapes[byte].map { Array($0.utf8) } ?? [byte] }
        return "\"\(String(decoding: escaped, as: UTF8.self))\""
    }

    private mutating func takeEscape() throws(KeyTemplateError) -> UInt8 {
        let escapes: [UInt8: UInt8] = [
            UInt8(ascii: "\""): UInt8(ascii: "\""), UInt8(ascii: "\\"): UInt8(ascii: "\\"),
            UInt8(ascii: "n"): UInt8(ascii: "\n"), UInt8(ascii: "t"): UInt8(ascii: "\t"),
        ]
        guard let byte = self.byte(at: self.position) else {
            throw self.parseError(at: self.position, "unterminated quoted string")
        }
        guard let value = escapes[byte] else { throw self.parseError(at: self.position, "invalid syntax") }
        self.position += 1
        return value
    }

    private mutating func takeName() -> String {
        let start = self.position
        while let byte = self.byte(at: self.position), Self.isNameStart(byte) || Self.isDigit(byte) {
            self.position += 1
        }
        return String(decoding: self.bytes[start..<self.position], as: UTF8.self)
    }

    @discardableResult
    private mutating func skipSpace() -> Int {
        let start = self.position
        while let byte = self.byte(at: self.position), Self.isSpace(byte) { self.position += 1 }
        return self.position - start
    }

    private func nextIsArgument() -> Bool {
        var index = self.position
        while let byte = self.byte(at: index), Self.isSpace(byte) { index += 1 }
        guard let byte = self.byte(at: index) else { return false }
        return byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "`") || Self.isNameStart(byte) || Self.isDigit(byte)
    }

    private func unexpected(in place: String) -> KeyTemplateError {
        let rest = String(decoding: self.bytes[self.position...], as: UTF8.self)
        guard let scalar = rest.unicodeScalars.first else {
            return self.parseError(at: self.position, "unclosed action")
        }
        if scalar == "'" {
            return .parsing(
                self.bytes,
                at: self.position,
                "malformed character constant",
                hint: "put file names in double quotes"
            )
        }
        guard scalar.isASCII, scalar.value > 0x20, !"#$%&;<>?@[]^~!*+/\\{}=".unicodeScalars.contains(scalar) else {
            let digits = String(scalar.value, radix: 16, uppercase: true)
            let number = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            return self.parseError(at: self.position, "unrecognized character in action: U+\(number) '\(scalar)'")
        }
        return self.parseError(at: self.position, "unexpected \"\(scalar)\" in \(place)")
    }

    private func parseError(at offset: Int, _ problem: String) -> KeyTemplateError {
        .parsing(self.bytes, at: offset, problem)
    }

    private func executionError(at offset: Int, command: String, _ problem: String) -> KeyTemplateError {
        .executing(self.bytes, at: offset, command: command, problem)
    }

    private func byte(at index: Int) -> UInt8? {
        index < self.bytes.count ? self.bytes[index] : nil
    }

    private func isNext(_ text: StaticString) -> Bool {
        text.withUTF8Buffer { self.bytes[self.position...].starts(with: $0) }
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d
    }

    private static func isNameStart(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) || byte == UInt8(ascii: "_")
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}

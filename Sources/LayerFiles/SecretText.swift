internal import Glibc

/// The beginning of a file in which secrets are looked for.
final class SecretText {
    let bytes: [UInt8]
    /// The lines without white space around them; comments and empty lines are left out.
    private(set) lazy var lines: [SecretLine] = self.makeLines()

    init(_ bytes: [UInt8]) {
        // Windows tools write UTF-16; what matters is ASCII.
        if bytes.starts(with: [0xff, 0xfe]) {
            self.bytes = stride(from: 2, to: bytes.count, by: 2).map { bytes[$0] }
        } else {
            self.bytes = bytes
        }
    }

    /// The first position of a text at or after `start`.
    func position(of text: StaticString, from start: Int = 0) -> Int? {
        self.bytes.withUnsafeBytes { $0.position(of: text, from: start) }
    }

    /// All positions of a text.
    func positions(of text: StaticString) -> [Int] {
        var all: [Int] = []
        while let next = self.position(of: text, from: all.last.map { $0 + 1 } ?? 0) { all.append(next) }
        return all
    }

    func contains(_ text: StaticString) -> Bool { self.position(of: text) != nil }

    /// The number of the line in which a position is, counted from 1.
    func line(at position: Int) -> Int {
        self.bytes[..<position].reduce(1) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
    }

    /// The text from a position up to any of some bytes, or to the end.
    func text(from start: Int, upTo ends: StaticString) -> String {
        let rest = self.bytes[min(start, self.bytes.count)...].prefix(4_096)
        let text = rest.prefix { byte in
            !ends.withUTF8Buffer { $0.contains(byte) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The position of the first byte at or after `start` that is no white space.
    func skippingSpace(_ start: Int) -> Int {
        var position = start
        while position < self.bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(self.bytes[position]) { position += 1 }
        return position
    }

    /// The strings that a JSON document has under a name, quotes included in the name, and where they stand.
    func strings(named name: StaticString) -> [(value: String, position: Int)] {
        self.positions(of: name).compactMap { start in
            let colon = self.skippingSpace(start + name.utf8CodeUnitCount)
            guard colon < self.bytes.count, self.bytes[colon] == UInt8(ascii: ":") else { return nil }
            let quote = self.skippingSpace(colon + 1)
            guard quote < self.bytes.count, self.bytes[quote] == UInt8(ascii: "\"") else { return nil }
            return (self.text(from: quote + 1, upTo: "\""), start)
        }
    }

    private func makeLines() -> [SecretLine] {
        self.bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated().compactMap {
            let text = String(decoding: $0.element, as: UTF8.self).trimmed(" \t\r")
            guard let first = text.first, first != "#", first != ";" else { return nil }
            return SecretLine(number: $0.offset + 1, text: text)
        }
    }
}

/// A line of a file.
struct SecretLine {
    let number: Int
    let text: String

    /// Name and value of a line such as `name = "value"`; the name in lower case, the value without quotes.
    func assignment(_ separators: String) -> (name: String, value: String)? {
        let text = self.text.drop { $0 == ":" || $0 == "-" || $0 == " " }
        guard let cut = text.firstIndex(where: { separators.contains($0) }) else { return nil }
        let value = String(text[text.index(after: cut)...]).trimmed(" \t,;").trimmed("\"'")
        return (String(text[..<cut]).trimmed(" \t\"'").lowercased(), value)
    }
}

extension UnsafeRawBufferPointer {
    /// The first position of a text at or after `start`.
    func position(of text: StaticString, from start: Int = 0) -> Int? {
        let count = text.utf8CodeUnitCount
        guard count > 0, let base = self.baseAddress else { return nil }
        var next = start
        while next + count <= self.count {
            let room = self.count - count + 1 - next
            guard let found = memchr(base + next, Int32(text.utf8Start[0]), room) else { return nil }
            let position = UnsafeRawPointer(found) - base
            if memcmp(base + position, text.utf8Start, count) == 0 { return position }
            next = position + 1
        }
        return nil
    }
}

extension String {
    /// Without some characters at both ends.
    func trimmed(_ characters: String) -> String {
        guard let first = self.firstIndex(where: { !characters.contains($0) }),
            let last = self.lastIndex(where: { !characters.contains($0) })
        else { return "" }
        return String(self[first...last])
    }

    /// Whether it may be a secret and is not what stands in examples or is filled in later.
    var isSecret: Bool {
        let text = self.lowercased()
        guard text.utf8.count >= 4, let first = text.first else { return false }
        // ${NAME}, $NAME, %NAME%, %(name)s, <name>, {{ name }}, and Maven's encrypted passwords.
        if "$%<{".contains(first) || text.contains("${") { return false }
        let marks = ["example", "placeholder", "your-", "your_", "changeme", "change-me", "redacted"]
        if marks.contains(where: text.contains) { return false }
        let examples: Set = [
            "pass", "passwd", "password", "mypassword", "secret", "mysecret", "token", "mytoken", "null", "none",
            "true", "false", "todo", "changeit", "data+omitted", "optional", "default",
        ]
        return !examples.contains(text) && !text.allSatisfy { $0 == "x" || $0 == "*" || $0 == "." || $0 == "-" }
    }
}

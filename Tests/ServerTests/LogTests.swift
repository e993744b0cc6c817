import CacheServer
import Foundation
import Logging
import Testing

struct LogTests {
    /// What clients choose may reach the log: keys, names, paths, tokens.
    static let hostile = [
        "a\n2026-01-01T00:00:00.000Z info forged", "\r\u{1b}[2J\u{1b}]0;title\u{7}", "\"}\n{\"level\":\"critical\"",
        "back\\slash\"quote", "\u{202e}reversed\u{2066}\u{200f}\u{feff}\u{e0041}", "\u{85}\u{2028}\u{2029}",
        "\0\u{7f}\u{9b}31m", "täglich 🗂",
    ]

    @Test(arguments: hostile) func `what a client chose stays inside one line, and is what it was in JSON`(
        text: String
    ) throws {
        let line = try Self.written(.json) { logger in
            logger.warning(
                "refused \(text)",
                metadata: ["key": "\(text)", "keys": ["\(text)"], text: ["n": "\(text)"]]
            )
        }
        #expect(line.unicodeScalars.allSatisfy(Self.isPrinted))
        let document = try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(document["message"] as? String == "refused \(text)")
        #expect(document["key"] as? String == text)
        #expect(document["keys"] as? [String] == [text])
        #expect(document[text] as? [String: String] == ["n": text])
    }

    @Test(arguments: hostile) func `what a client chose stays inside one line of text`(text: String) throws {
        let line = try Self.written(.text) { $0.warning("refused \(text)", metadata: ["key": "\(text)"]) }
        #expect(line.unicodeScalars.allSatisfy(Self.isPrinted))
        #expect(line.contains(" warning refused ") && line.contains(" key=\""))
    }

    private static func isPrinted(_ scalar: Unicode.Scalar) -> Bool {
        ![.control, .format, .lineSeparator, .paragraphSeparator].contains(scalar.properties.generalCategory)
    }

    /// The one line that was written, without its end.
    private static func written(
        _ format: ServerConfiguration.LogFormat,
        _ body: (Logger) -> Void
    ) throws -> String {
        let pipe = Pipe()
        let descriptor = pipe.fileHandleForWriting.fileDescriptor
        body(Logger(label: "test") { _ in LineLogHandler(level: .info, format: format, descriptor: descriptor) })
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 2 && lines.last == "")
        return String(lines[0])
    }
}

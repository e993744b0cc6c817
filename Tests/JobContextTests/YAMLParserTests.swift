import JobContext
import Testing

struct YAMLParserTests {
    @Test func `anchors, aliases and merge keys are resolved`() throws {
        let node = try YAMLParser.parse(
            """
            base: &base {a: 1, b: 2}
            more: &more {b: 3, c: 4}
            one: {<<: *base, b: own}
            two: {<<: [*more, *base]}
            """
        )
        #expect(node["one"]?["a"]?.text == "1")
        #expect(node["one"]?["b"]?.text == "own")
        #expect(node["two"]?["b"]?.text == "3")
        #expect(node["two"]?["a"]?.text == "1")
    }

    @Test func `lines are those of the text`() throws {
        let node = try YAMLParser.parse("a: 1\n\nb:\n  - x\n  - |\n    y\n")
        #expect(node.pairs?.map(\.line) == [1, 3])
        #expect(node["b"]?.items?.map(\.line) == [4, 5])
        #expect(node["b"]?.items?[1].text == "y\n")
    }

    @Test func `a billion laughs are refused`() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...12 {
            let uses = [String](repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(uses)]\n"
        }
        self.expectRefusal(text, "nodes")
    }

    @Test func `merged mappings that grow are refused`() {
        var text = "a0: &a0 {x: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}\n"
        for level in 1...12 {
            let uses = (0..<10).map { "k\($0): *a\(level - 1)" }.joined(separator: ", ")
            text += "a\(level): &a\(level) {<<: *a\(level - 1), \(uses)}\n"
        }
        self.expectRefusal(text, "nodes")
    }

    @Test func `depth is limited, also through aliases`() {
        self.expectRefusal(String(repeating: "[", count: 500), "levels of nesting")
        // The library has a limit of its own for such depths.
        self.expectRefusal(String(repeating: "[", count: 100_000), "nesting")
        self.expectRefusal(String(repeating: "- ", count: 10_000) + "x", "levels of nesting")
        var text = "a0: &a0 [x]\n"
        for level in 1...200 { text += "a\(level): &a\(level) [*a\(level - 1)]\n" }
        self.expectRefusal(text, "levels of nesting")
    }

    @Test(arguments: [
        ("a: *nope", "refers to no anchor"), ("a: &a [*a]", "refers to no anchor"),
        ("a: 1\n---\nb: 2", "second document"),
        ("a: [1", "not YAML"), ("a: \u{1}", "control characters"), ("? [a]\n: b", "not text"), ("{<<: 1}", "merge key"),
    ])
    func `what cannot be used is refused`(text: String, words: String) {
        self.expectRefusal(text, words)
    }

    @Test func `texts that are too long are refused before they are read`() {
        self.expectRefusal(String(repeating: "#", count: 4 * 1_024 * 1_024 + 1), "bytes")
    }

    @Test func `any text is parsed or refused without a crash`() {
        let alphabet = Array("{}[]:,-?*&!|>'\"%@` \n\tab<#\\é\u{0}".unicodeScalars)
        for _ in 0..<5_000 {
            var text = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0..<30) { text.append(alphabet[Int.random(in: alphabet.indices)]) }
            do {
                #expect(try YAMLParser.parse(String(text)).weight >= 1)
            } catch {
                #expect(error.line >= 1)
            }
        }
    }

    private func expectRefusal(_ text: String, _ words: String) {
        #expect {
            try YAMLParser.parse(text)
        } throws: { error in
            "\(error)".contains(words)
        }
    }
}

import CacheModel
import CommandLineKit
import Testing

struct OutputTests {
    private func sample() -> OutputTable {
        var table = OutputTable([.flexible("KEY"), .number("SIZE"), .text("STATE")])
        table.add(["deps1-main-0123456789012345678901234567890123456789", "33 MiB", ""])
        table.add(["v1", "4 B", "pinned"])
        return table
    }

    @Test func `columns are aligned and no line ends in spaces`() {
        var table = OutputTable([.text("KEY"), .number("SIZE"), .text("STATE")])
        table.add(["a", "1 KiB", ""])
        table.add(["long-key", "12 KiB", "pinned"])
        #expect(
            table.lines(on: .plain) == [
                "KEY         SIZE  STATE",
                "a          1 KiB",
                "long-key  12 KiB  pinned",
            ]
        )
    }

    @Test func `a file gets keys in full`() {
        #expect(self.sample().lines(on: .plain)[1].contains("0123456789012345678901234567890123456789"))
    }

    @Test func `on a terminal the flexible column gives way until a row fits`() {
        let lines = self.sample().lines(on: OutputTerminal(isTerminal: true, width: 40))
        #expect(lines.allSatisfy { OutputText.width($0) <= 40 })
        #expect(lines[1].hasPrefix("deps1-main-") && lines[1].contains("…") && lines[1].contains("789  33 MiB"))
    }

    @Test func `a very narrow terminal leaves sixteen columns of the key`() {
        let lines = self.sample().lines(on: OutputTerminal(isTerminal: true, width: 10))
        #expect(lines[1].hasPrefix("deps1-ma…3456789"))
    }

    @Test func `a header is bold only where that is possible`() {
        #expect(self.sample().lines(on: OutputTerminal(isTerminal: true, hasStyle: true))[0].hasPrefix("\u{1b}[1mKEY"))
        #expect(self.sample().lines(on: .plain)[0].hasPrefix("KEY"))
    }

    @Test func `wide and combining characters keep columns aligned`() {
        var table = OutputTable([.text("KEY"), .number("N")])
        table.add(["日本", "1"])
        table.add(["e\u{301}", "2"])
        #expect(table.lines(on: .plain) == ["KEY   N", "日本  1", "e\u{301}     2"])
    }

    @Test func `cells cannot steer a terminal`() {
        var table = OutputTable([.text("KEY")])
        table.add(["a\u{1b}[2Jb\nc\u{202e}d"])
        #expect(table.lines(on: .plain)[1] == "a\\u{1b}[2Jb\\u{a}c\\u{202e}d")
    }

    @Test func `a repeated label is left out`() {
        let table = OutputTable(details: [("key", "a"), ("parts", "b"), ("parts", "c")])
        #expect(table.lines(on: .plain) == ["key    a", "parts  b", "       c"])
    }

    @Test(
        arguments: [
            (0, "now"), (-5, "now"), (59, "59s"), (60, "1m"), (3_599, "59m"), (3_600, "1h"), (172_799, "47h"),
            (172_800, "2d"),
        ]
    )
    func `ages are told in their largest unit`(seconds: Int64, text: String) {
        let now = Timestamp(milliseconds: 1_000_000_000_000)
        #expect(OutputText.age(of: now + .seconds(-seconds), at: now) == text)
    }

    @Test func `shares and ratios are rounded, and nothing is divided by nothing`() {
        #expect(OutputText.percent(2, of: 3) == "66.7%")
        #expect(OutputText.percent(3, of: 3) == "100.0%")
        #expect(OutputText.percent(0, of: 0) == "-")
        #expect(OutputText.ratio(341, to: 100) == "3.41x")
        #expect(OutputText.ratio(201, to: 100) == "2.01x")
        #expect(OutputText.ratio(1, to: 0) == "-")
    }

    @Test func `text that fits is not shortened`() {
        #expect(OutputText.shortened("abcdef", to: 6) == "abcdef")
        #expect(OutputText.shortened("abcdefg", to: 6) == "abc…fg")
    }
}

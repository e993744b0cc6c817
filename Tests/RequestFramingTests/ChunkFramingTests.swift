import RequestFraming
import Testing

/// Which bytes are taken for lines before chunks.
struct ChunkFramingTests {
    private static let chunked = "POST /a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
    private static let long = String(repeating: "a", count: ChunkFraming.longestLine)

    private static let blanks = String(repeating: " ", count: 1_000)

    /// Whether the framing takes the text, whole and in pieces of every length.
    private func takes(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        let whole = Self.takes([bytes[...]])
        for size in 1...max(1, min(bytes.count, 40)) {
            let pieces = stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
            #expect(Self.takes(pieces) == whole, "in pieces of \(size): \(text.prefix(200))")
        }
        return whole
    }

    private static func takes(_ pieces: [ArraySlice<UInt8>]) -> Bool {
        var framing = ChunkFraming(longestField: 1_000)
        return pieces.allSatisfy { piece in piece.withUnsafeBytes { framing.advance(over: $0) } == nil }
    }

    @Test(arguments: [
        "GET \(blanks)/ HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: t\r\nX:\(blanks)a\r\n",
        chunked + "0\r\nTrailer:\(blanks)a\r\n",
    ])
    func `blanks without end are refused, so that nothing can follow them`(head: String) {
        #expect(!self.takes(head))
    }

    @Test(arguments: [
        "0;\(long)\r\n\r\n",
        "3;x=y\r\nabc\r\n5;\(long)\r\n",
        "1\r\na\r\n0\r\nTrailer: x\r\n\r\n\r\n\(chunked)2\r\nab\r\na\(long)",
        // No end of the line is in sight yet.
        "a;\(long)",
    ])
    func `a long line before a chunk is refused`(body: String) {
        #expect(!self.takes(Self.chunked + body))
    }

    @Test(arguments: [
        chunked + "3;x=\(long.prefix(200))\r\nabc\r\n0\r\n\r\n",
        // The same bytes inside of a chunk, a trailer, a sized body, and a head.
        chunked + "200\r\n" + String(repeating: "0;\(long)\r\n", count: 2).prefix(0x200) + "\r\n0\r\n\r\n",
        chunked + "0\r\nT: \(long)\(long)\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: t\r\nCONTENT-LENGTH:  \(long.count + 2) \r\n\r\n0;\(long)" + chunked + "0\r\n\r\n",
        "GET /\(long) HTTP/1.1\r\nHost: t\r\nCookie: \(long)\r\n\r\n" + chunked + "0\r\n\r\n",
        // Requests without a body, with empty lines before them, and one whose body is empty.
        "\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\nPUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n" + chunked,
        // What the parser refuses is not looked at any further.
        chunked + "zz\r\n\(long)\(long)",
        "POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n\(chunked)0;\(long)\r\n",
        chunked + "ffffffffffffffffff\r\n\(long)\(long)",
        "",
    ])
    func `everything else is taken`(text: String) {
        #expect(self.takes(text))
    }
}

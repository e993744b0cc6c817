/// Percent-encoding of path components and query values (RFC 3986).
public enum PercentCoding {
    /// Decodes exactly once, strictly: every `%` is followed by two hexadecimal digits, and the result is UTF-8.
    ///
    /// - Throws: ``CacheError`` with code `invalidRequest` that names `what`.
    public static func decode(_ text: some StringProtocol, what: String) throws(CacheError) -> String {
        guard let decoded = String(validating: try self.decodeBytes(text, what: what), as: UTF8.self) else {
            throw CacheError(.invalidRequest, "\(what) is not UTF-8 once it is decoded")
        }
        return decoded
    }

    /// Decodes exactly once to bytes.
    ///
    /// - Throws: ``CacheError`` with code `invalidRequest` that names `what`.
    public static func decodeBytes(_ text: some StringProtocol, what: String) throws(CacheError) -> [UInt8] {
        var bytes: [UInt8] = []
        var iterator = text.utf8.makeIterator()
        while let byte = iterator.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = iterator.next().flatMap(self.nibble), let low = iterator.next().flatMap(self.nibble)
            else {
                throw CacheError(
                    .invalidRequest,
                    "\(what) has a '%' that is not followed by two hexadecimal digits; write it as %25"
                )
            }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func nibble(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

internal import NIOCore
internal import NIOHTTP1

/// Which requests are refused by their head alone, because two readers of it could disagree; pure.
///
/// The parser has refused what is no HTTP at all. This is about heads that a proxy in front may read differently, and
/// about what nobody has a use for.
enum HeadCheck {
    /// Why a request is refused.
    struct Problem: Equatable {
        var status: HTTPResponseStatus
        var message: String

        init(_ status: HTTPResponseStatus, _ message: String) { (self.status, self.message) = (status, message) }

        init(_ message: String) { self.init(.badRequest, message) }
    }

    /// A file's path of 4,096 bytes, all of them percent-encoded, fits.
    static let longestTarget = 16_384

    /// What is wrong with a head, if anything is.
    static func problem(_ head: HTTPRequestHead) -> Problem? {
        // Whatever follows it is a tunnel's, and no request.
        if head.method == .CONNECT { return Problem(.methodNotAllowed, "this is no proxy") }
        return self.problem(ofTarget: head.uri) ?? self.problem(of: head.headers, head.version)
    }

    private static func problem(ofTarget target: String) -> Problem? {
        guard target.utf8.count <= self.longestTarget else {
            return Problem(.uriTooLong, "the address is longer than \(self.longestTarget) bytes")
        }
        guard target.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "#") }) else {
            return Problem("the address has bytes that have to be percent-encoded")
        }
        let isKnown = target.hasPrefix("/") || target.hasPrefix("http://") || target.hasPrefix("https://")
        return isKnown || target == "*" ? nil : Problem("the address has to start with '/'")
    }

    private static func problem(of fields: HTTPHeaders, _ version: HTTPVersion) -> Problem? {
        var (hosts, lengths, codings) = (0, 0, 0)
        var isChunked = true
        for (name, value) in fields {
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
                return Problem("a header field has control characters")
            }
            switch name.utf8.count {
            case 4 where name.lowercased() == "host": hosts += 1
            case 14 where name.lowercased() == "content-length":
                lengths += 1
                guard !value.isEmpty, value.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                    return Problem("Content-Length is no number")
                }
            case 17 where name.lowercased() == "transfer-encoding":
                codings += 1
                isChunked = value.lowercased() == "chunked"
            default: break
            }
        }
        if version == .http1_1, hosts != 1 { return Problem("there has to be one Host field") }
        if hosts > 1 { return Problem("there is more than one Host field") }
        if lengths > 1 { return Problem("there is more than one Content-Length") }
        if lengths + codings > 1 { return Problem("Content-Length and Transfer-Encoding exclude each other") }
        if !isChunked { return Problem(.notImplemented, "the only Transfer-Encoding here is chunked") }
        if codings > 0, version != .http1_1 { return Problem("Transfer-Encoding needs HTTP/1.1") }
        return nil
    }
}

package import CacheModel

/// Where a Tarn server is: `http://host:port`, perhaps with a path that a proxy takes off.
package struct ServerAddress: Hashable, Sendable, CustomStringConvertible {
    /// The address without a slash at its end; never holds credentials.
    package let description: String
    /// Whether the connection is encrypted.
    let usesTLS: Bool
    /// The name or number of the machine, without brackets.
    let host: String
    /// The port, also where the address leaves it out.
    let port: Int

    /// Parses an address.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` that says what an address looks like.
    package init(_ text: String) throws(CacheError) {
        func refuse(_ reason: String) -> CacheError {
            CacheError(.invalidRequest, "the server's address \(reason); it looks like http://127.0.0.1:7878")
        }
        let scheme = text.hasPrefix("https://") ? "https://" : "http://"
        guard text.hasPrefix(scheme) else {
            throw refuse("'\(Self.printable(text))' starts with neither http:// nor https://")
        }
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard !authority.contains("@") else {
            throw refuse("holds a user name or password, which belongs into TARN_TOKEN")
        }
        guard !authority.isEmpty, !rest.contains(where: { "?# ".contains($0) || $0.isNewline }) else {
            throw refuse("'\(Self.printable(text))' names no host, or has a query")
        }
        guard let (host, port) = Self.split(authority) else {
            throw refuse("'\(Self.printable(text))' has no host and port that can be used")
        }
        self.usesTLS = scheme == "https://"
        self.host = host
        self.port = port ?? (self.usesTLS ? 443 : 80)
        let path = rest[authority.endIndex...]
        self.description = scheme + authority + path.reversed().drop { $0 == "/" }.reversed()
    }

    /// Splits `host`, `host:port`, `[address]` or `[address]:port`; `nil` if it is neither.
    static func split(_ authority: Substring) -> (host: String, port: Int?)? {
        var host = authority
        var port = Substring()
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = authority[authority.index(after: authority.startIndex)..<end]
            port = authority[authority.index(after: end)...]
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            port = authority[colon...]
        }
        let isSound = !host.isEmpty && host.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f }
        guard isSound else { return nil }
        if port.isEmpty { return (String(host), nil) }
        guard port.first == ":", let number = UInt16(port.dropFirst()), number > 0 else { return nil }
        return (String(host), Int(number))
    }

    private static func printable(_ text: String) -> String {
        text.contains("@")
            ? "…" : String(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f }.map(Character.init))
    }
}

/// Percent-encoding of keys and names in addresses.
package enum PathEncoding {
    /// Encodes everything but unreserved characters, so that any key is one path component.
    package static func encode(_ text: String) -> String {
        // A component of dots alone would be taken for "here" or "up".
        let encodesDots = text.utf8.allSatisfy { $0 == UInt8(ascii: ".") }
        return text.utf8.reduce(into: "") { encoded, byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            case UInt8(ascii: ".") where !encodesDots: encoded.append(".")
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                encoded += "%" + (digits.utf8.count == 1 ? "0" : "") + digits
            }
        }
    }
    /// Takes the encoding away; `nil` if it is broken or gives no UTF-8.
    static func decode(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard let value = Substring(rest.prefix(2)).uppercased().wholeByte else { return nil }
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

extension String {
    /// The byte that two hexadecimal digits stand for.
    fileprivate var wholeByte: UInt8? {
        self.utf8.count == 2 && self.allSatisfy(\.isHexDigit) ? UInt8(self, radix: 16) : nil
    }
}

/// The proxies whose word is taken for where a request comes from.
package struct TrustedProxies: Sendable {
    private let ranges: [AddressRange]

    /// Trusts these addresses, and nobody else.
    package init(_ ranges: [AddressRange] = []) { self.ranges = ranges }

    /// Whether the address is a trusted proxy's.
    package func contains(_ address: NetworkAddress) -> Bool { self.ranges.contains { $0.contains(address) } }

    /// Whose request it is that came over a connection from `peer`.
    ///
    /// A proxy adds the address it was called from at the right; so the list is read from there, and the first address
    /// that is no trusted proxy is the client: what stands left of it was written by the client. Where a proxy sends
    /// both kinds of fields, one of them may be the client's own, and neither is believed.
    ///
    /// - Parameters:
    ///   - peer: The other end of the connection.
    ///   - field: The values of a field of the request's head, by its name in lower case.
    /// - Returns: The client's address, or the last one that a proxy vouches for.
    package func client(behind peer: NetworkAddress, _ field: (String) -> [String]) -> NetworkAddress {
        guard self.contains(peer) else { return peer }
        let simple = Self.elements(field("x-forwarded-for"))
        let forwarded = Self.elements(field("forwarded"))
        guard simple.isEmpty || forwarded.isEmpty else { return peer }
        var client = peer
        for text in (simple + forwarded.map(Self.forParameter)).reversed() {
            guard let address = Self.address(text) else { return client }
            client = address
            if !self.contains(address) { break }
        }
        return client
    }

    /// Whether the client speaks TLS with the proxy.
    package func saysEncrypted(_ peer: NetworkAddress, _ field: (String) -> [String]) -> Bool {
        self.contains(peer) && Self.elements(field("x-forwarded-proto")).last?.lowercased() == "https"
    }

    private static func elements(_ values: [String]) -> [Substring] {
        values.flatMap { $0.split(separator: ",") }.map { Self.trim($0) }
    }

    /// The address in an element of `Forwarded` (RFC 7239), as `for="[2001:db8::1]:4711";proto=https`.
    private static func forParameter(_ element: Substring) -> Substring {
        for pair in element.split(separator: ";") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, Self.trim(parts[0]).lowercased() == "for" else { continue }
            return Self.trim(parts[1], also: "\"")
        }
        return ""
    }

    /// An address that may have a port, and brackets.
    private static func address(_ text: Substring) -> NetworkAddress? {
        if text.first == "[" { return NetworkAddress(text.dropFirst().prefix { $0 != "]" }) }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return NetworkAddress(parts.count == 2 ? parts[0] : text)
    }

    private static func trim(_ text: Substring, also character: Character = " ") -> Substring {
        func isBlank(_ other: Character) -> Bool { other == " " || other == "\t" || other == character }
        var text = text.drop(while: isBlank)
        while let last = text.last, isBlank(last) { text.removeLast() }
        return text
    }
}

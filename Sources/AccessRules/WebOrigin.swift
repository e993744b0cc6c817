/// Where a URL points to: scheme, host and port.
package struct WebOrigin: Hashable, Sendable {
    private let scheme: String
    private let authority: String

    /// The origin of an `https` URL, or of an `http` one on loopback; `nil` for anything else.
    package init?(_ url: String) {
        guard let separator = url.firstRange(of: "://") else { return nil }
        self.scheme = url[..<separator.lowerBound].lowercased()
        self.authority = url[separator.upperBound...].prefix { !"/?#".contains($0) }.lowercased()
        guard !self.authority.isEmpty, !self.authority.contains("@") else { return nil }
        let host =
            self.authority.hasPrefix("[")
            ? self.authority.prefix { $0 != "]" } + "]"
            : self.authority.prefix { $0 != ":" }
        let isLoopback = host == "127.0.0.1" || host == "[::1]" || host == "localhost"
        guard self.scheme == "https" || self.scheme == "http" && isLoopback else { return nil }
    }
}

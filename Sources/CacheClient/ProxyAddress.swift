internal import AsyncHTTPClient
package import CacheModel

/// A proxy on the way to the server, as `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` name it.
package struct ProxyAddress: Hashable, Sendable {
    /// What the proxy speaks.
    enum Kind: Hashable, Sendable {
        case http
        case socks
    }

    var kind: Kind
    var host: String
    var port: Int
    /// `user:password`, if the address holds them; never printed.
    var credentials: String?

    /// The proxy that the environment wants for a server; `nil` if there is none.
    ///
    /// Servers on this machine are never asked through a proxy. Names in lower case win, as they do for curl.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` that names the variable.
    package static func find(for server: ServerAddress, in environment: [String: String]) throws(CacheError) -> Self? {
        func value(_ names: [String]) -> (name: String, text: String)? {
            for name in names {
                if let text = environment[name], !text.isEmpty { return (name, text) }
            }
            return nil
        }
        let own = server.usesTLS ? ["https_proxy", "HTTPS_PROXY"] : ["http_proxy", "HTTP_PROXY"]
        guard let setting = value(own + ["all_proxy", "ALL_PROXY"]) else { return nil }
        let exceptions = value(["no_proxy", "NO_PROXY"])?.text ?? ""
        if Self.isDirect(server, exceptions) { return nil }
        guard let proxy = Self(setting.text) else {
            throw CacheError(
                .invalidRequest,
                "\(setting.name) is no proxy that can be used; it looks like http://host:port or socks5://host:port"
            )
        }
        return proxy
    }

    /// Reads an address; `nil` if it is none.
    init?(_ text: String) {
        var rest = text[...]
        self.kind = .http
        if let end = text.firstRange(of: "://") {
            switch text[..<end.lowerBound].lowercased() {
            case "http": self.kind = .http
            case "socks5", "socks5h", "socks": self.kind = .socks
            default: return nil
            }
            rest = text[end.upperBound...]
        }
        var authority = rest.prefix { !"/?#".contains($0) }
        if let at = authority.lastIndex(of: "@") {
            guard let credentials = PathEncoding.decode(authority[..<at]) else { return nil }
            self.credentials = credentials
            authority = authority[authority.index(after: at)...]
        }
        guard let (host, port) = ServerAddress.split(authority) else { return nil }
        self.host = host
        self.port = port ?? (self.kind == .http ? 3_128 : 1_080)
    }

    /// The proxy as the HTTP client wants it.
    var configuration: HTTPClient.Configuration.Proxy {
        switch self.kind {
        case .socks: return .socksServer(host: self.host, port: self.port)
        case .http:
            let parts = self.credentials?.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false) ?? []
            let login = parts.first.map {
                HTTPClient.Authorization.basic(username: String($0), password: parts.count > 1 ? String(parts[1]) : "")
            }
            return .server(host: self.host, port: self.port, authorization: login)
        }
    }

    private static func isDirect(_ server: ServerAddress, _ exceptions: String) -> Bool {
        let host = server.host.lowercased()
        if host == "localhost" || host == "::1" || host.hasPrefix("127.") { return true }
        for part in exceptions.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            if part == "*" { return true }
            guard let (name, port) = ServerAddress.split(part) else { continue }
            if let port, port != server.port { continue }
            let domain = name.lowercased().drop { $0 == "*" }.drop { $0 == "." }
            if !domain.isEmpty, host == domain || host.hasSuffix("." + domain) { return true }
        }
        return false
    }
}

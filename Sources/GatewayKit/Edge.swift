internal import CacheModel
internal import HTTPTypes
internal import NIOCore

/// Who sends a request.
package struct RequestOrigin: Sendable {
    /// The client's address, also behind a trusted proxy; `nil` if it is not known.
    package var address: NetworkAddress?
    /// Whether the client's connection is encrypted, as far as the server can know.
    package var isEncrypted = false

    /// Nobody in particular.
    package init() {}
}

/// What is decided about a request before anybody looks at what it wants.
package struct Edge: Sendable {
    /// The proxies that are believed.
    package var proxies = TrustedProxies()
    /// Whether the server itself speaks TLS.
    package var isEncrypted = false
    /// How many requests a caller may send; `nil` for any number.
    package var requests: RateLimiter?
    /// How many wrong credentials an address may send; `nil` for any number.
    package var failures: RateLimiter?
    /// The public name of the credential that the value of `Authorization` proves; `nil` if it proves none.
    ///
    /// It must be known without waiting. What proves nothing is counted by address: whoever could choose the name could
    /// choose a new one for each request.
    package var credentialName: @Sendable (String) -> String? = { _ in nil }

    /// Believes no proxy and limits nothing.
    package init() {}

    /// Who sends a request over a connection from `peer`.
    ///
    /// - Parameters:
    ///   - peer: The other end of the connection.
    ///   - field: The values of a field of the request's head, by its name in lower case.
    /// - Returns: The client, also behind a proxy.
    package func origin(_ peer: NetworkAddress?, _ field: (String) -> [String]) -> RequestOrigin {
        var origin = RequestOrigin()
        origin.isEncrypted = self.isEncrypted
        guard let peer else { return origin }
        origin.address = self.proxies.client(behind: peer, field)
        origin.isEncrypted = self.isEncrypted || self.proxies.saysEncrypted(peer, field)
        return origin
    }

    /// Counts a request.
    ///
    /// - Returns: `nil`, or why it is not let through.
    package func refusal(of origin: RequestOrigin, authorization: String?) -> Failure? {
        guard self.requests != nil || self.failures != nil else { return nil }
        let name = authorization.flatMap(self.credentialName)
        let address = RateLimiter.Caller.address(origin.address?.origin)
        if name == nil, authorization != nil, let wait = self.failures?.wait(for: address) {
            return .tooMany("this address has sent too many wrong credentials", wait)
        }
        guard let wait = self.requests?.take(name.map { .credential($0) } ?? address) else { return nil }
        return .tooMany("too many requests", wait)
    }

    /// Counts a wrong credential.
    package func noteFailure(of origin: RequestOrigin) { _ = self.failures?.take(.address(origin.address?.origin)) }
}

extension Failure {
    /// 429: the caller has to wait.
    fileprivate static func tooMany(_ reason: String, _ wait: TimeAmount) -> Self {
        let seconds = max(1, (wait.nanoseconds + 999_999_999) / 1_000_000_000)
        return Self(
            .tooManyRequests,
            CacheError(.unavailable, "\(reason); try again in \(seconds) s"),
            headers: [.retryAfter: String(seconds)]
        )
    }
}

internal import AsyncHTTPClient
internal import CacheModel
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NativeAPI

extension NativeClient {
    /// The most bytes of an error's answer that are read.
    private static let errorLimit = 65_536

    /// What a server's refusal means.
    func failure(_ response: HTTPClientResponse) async throws -> FailedTry {
        let body = try await response.body.collect(upTo: Self.errorLimit)
        let status = response.status.code
        let isPassing = [429, 502, 503, 504].contains(status)
        let pause = response.headers.first(name: "retry-after").flatMap { UInt32($0) }.map { Duration.seconds($0) }
        func failed(_ code: CacheError.Code, _ message: String) -> FailedTry {
            let isWorthAnother = isPassing || code == .unavailable
            return FailedTry(error: CacheError(code, message), isWorthAnother: isWorthAnother, pause: pause)
        }
        guard let answer = try? NativeJSON.decode(ErrorResponse.self, from: Array(body.readableBytesView)) else {
            let text = "\(self.server) answers \(status) \(response.status.reasonPhrase); is it a Tarn server?"
            return failed(isPassing ? .unavailable : .invalidRequest, text)
        }
        guard status != 401 else {
            return failed(.forbidden, "\(self.server) wants a token: \(answer.message); set TARN_TOKEN")
        }
        return failed(.init(answer.code), answer.message)
    }

    /// What an error of the network means: a try that failed, or an error that is none of the network's business.
    func translate(_ error: any Error) -> any Error {
        let failure: CacheError
        switch error {
        case is CacheError, is CancellationError: return error
        case let error as HTTPClientError:
            if error == .cancelled { return CancellationError() }
            failure = self.describe(error)
        case let error as NIOConnectionError:
            let reason = error.connectionErrors.first.map { self.reason($0.error) } ?? "its name is not known"
            failure = self.unreachable(reason)
        case let error as IOError: failure = self.unreachable(self.reason(error))
        case is ChannelError, is HTTPParserError:
            failure = CacheError(
                .unavailable,
                "the exchange with \(self.server) broke off: \(error); is it a Tarn server?"
            )
        default:
            guard let reason = Self.encryptionProblem(error) else { return error }
            return FailedTry(error: self.unreachable(reason), isWorthAnother: false)
        }
        return FailedTry(error: failure, isWorthAnother: failure.code == .unavailable)
    }

    private func describe(_ error: HTTPClientError) -> CacheError {
        switch error {
        case .connectTimeout: self.unreachable("it does not answer")
        case .readTimeout, .writeTimeout, .deadlineExceeded:
            CacheError(.unavailable, "\(self.server) stopped answering in the middle of a transfer")
        case .remoteConnectionClosed, .uncleanShutdown:
            CacheError(.unavailable, "\(self.server) closed the connection in the middle of a transfer")
        case .tlsHandshakeTimeout: self.unreachable("it does not speak TLS there")
        case .proxyAuthenticationRequired: self.unreachable("the proxy wants a user name and a password")
        case .invalidProxyResponse, .httpProxyHandshakeTimeout, .socksHandshakeTimeout:
            self.unreachable("the proxy does not connect to it; NO_PROXY names hosts that need none")
        case .invalidURL, .emptyHost:
            CacheError(.invalidRequest, "\(self.server) is no address of a server")
        default: CacheError(.unavailable, "the exchange with \(self.server) failed: \(error.description)")
        }
    }

    /// What went wrong with TLS; `nil` if the error is about something else.
    ///
    /// The HTTP client wraps the TLS library's errors, so they are known by their names only.
    private static func encryptionProblem(_ error: any Error) -> String? {
        guard String(reflecting: type(of: error)).hasPrefix("NIOSSL.") else { return nil }
        let text = "\(error)"
        if text.contains("CERTIFICATE_VERIFY_FAILED") || text.contains("failedToValidateHostname") {
            return "its certificate is not trusted or is not for this name; --ca-file or TARN_CA_FILE adds the "
                + "certificate of a private authority"
        }
        if text.contains("WRONG_VERSION_NUMBER") { return "it does not speak TLS there; write http:// in its address" }
        return "TLS fails: \(text)"
    }

    private func unreachable(_ reason: String) -> CacheError {
        let way = self.options.proxy.map { " through the proxy at \($0.host):\($0.port)" } ?? ""
        return CacheError(
            .unavailable,
            "cannot reach the Tarn server at \(self.server)\(way): \(reason); check TARN_URL and that tarnd runs",
            cause: UnreachableServer()
        )
    }

    private func reason(_ error: any Error) -> String {
        guard let error = error as? IOError else {
            return Self.encryptionProblem(error) ?? "\(error)"
        }
        switch error.errnoCode {
        case 111: return "the connection is refused"
        case 113, 101: return "there is no way to that host"
        case 104: return "it hung up"
        default: return "\(error)"
        }
    }
}

/// Marks errors of servers that could not be reached at all; they have an exit status of their own.
package struct UnreachableServer: Error, CustomStringConvertible {
    /// Nothing: the message says it all.
    package var description: String { "" }
}

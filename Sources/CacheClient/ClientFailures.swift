internal import AsyncHTTPClient
internal import CacheModel
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NativeAPI

/// Marks a failure that trying again cannot mend: nobody listens there.
struct HopelessFailure: Error, CustomStringConvertible {
    /// Nothing: the message says it all.
    var description: String { "" }
}

extension NativeClient {
    /// The most bytes of an error's answer that are read.
    private static let errorLimit = 65_536

    /// What a server's refusal means.
    func failure(_ response: HTTPClientResponse) async throws -> CacheError {
        let body = try await response.body.collect(upTo: Self.errorLimit)
        guard let answer = try? NativeJSON.decode(ErrorResponse.self, from: Array(body.readableBytesView)) else {
            let code: CacheError.Code =
                [429, 502, 503, 504].contains(response.status.code) ? .unavailable : .invalidRequest
            let cause: (any Error)? = code == .unavailable ? nil : HopelessFailure()
            return CacheError(
                code,
                "\(self.server) answers \(response.status.code) \(response.status.reasonPhrase); is it a Tarn server?",
                cause: cause
            )
        }
        switch response.status.code {
        case 401: return CacheError(.forbidden, "\(self.server) wants a token: \(answer.message); set TARN_TOKEN")
        default: return CacheError(.init(answer.code), answer.message)
        }
    }

    /// What an error of the network means to a person.
    func translate(_ error: any Error) -> any Error {
        switch error {
        case is CacheError, is CancellationError: return error
        case let error as HTTPClientError where error == .cancelled: return CancellationError()
        case let error as HTTPClientError: return self.translate(error)
        case let error as NIOConnectionError:
            let reason = error.connectionErrors.first.map { self.reason($0.error) } ?? "its name is not known"
            return self.unreachable(reason)
        case let error as IOError: return self.unreachable(self.reason(error))
        case is ChannelError, is HTTPParserError:
            return CacheError(.unavailable, "the exchange with \(self.server) broke off: \(error)")
        default: return error
        }
    }

    private func translate(_ error: HTTPClientError) -> CacheError {
        switch error {
        case .connectTimeout: self.unreachable("it does not answer")
        case .readTimeout, .writeTimeout, .deadlineExceeded:
            CacheError(.unavailable, "\(self.server) stopped answering in the middle of a transfer")
        case .remoteConnectionClosed, .uncleanShutdown:
            CacheError(.unavailable, "\(self.server) closed the connection in the middle of a transfer")
        case .tlsHandshakeTimeout: self.unreachable("it does not speak TLS there")
        case .invalidURL, .emptyHost:
            CacheError(.invalidRequest, "\(self.server) is no address of a server")
        default: CacheError(.unavailable, "the exchange with \(self.server) failed: \(error.description)")
        }
    }

    private func unreachable(_ reason: String) -> CacheError {
        CacheError(
            .unavailable,
            "cannot reach the Tarn server at \(self.server): \(reason); check TARN_URL and that tarnd runs",
            cause: UnreachableServer()
        )
    }

    private func reason(_ error: any Error) -> String {
        guard let error = error as? IOError else { return "\(error)" }
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

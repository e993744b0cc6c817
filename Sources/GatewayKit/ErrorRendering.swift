internal import CacheModel
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import StorageInterface

/// Turns what one gateway's handlers throw into its protocol's answers.
struct ErrorRendering<G: Gateway>: RouterMiddleware {
    let gateway: G

    func handle(
        _ request: Request,
        context: GatewayContext,
        next: (Request, GatewayContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPParserError {
            // The connection is broken; only the channel can answer that.
            throw error
        } catch {
            return self.gateway.render(Failure(error, of: G.name, context: context), for: context)
        }
    }
}

extension Failure {
    /// Classifies any error; what is nobody's business but the operator's is logged here and goes no further.
    init(_ error: any Error, of gateway: String, context: GatewayContext) {
        switch error {
        case let failure as Failure: self = failure
        case let error as CacheError: self = Failure(error.withoutCause)
        case is CancellationError, is ChannelError, is IOError:
            // The client hung up or the server stops: nobody reads the answer.
            self = Failure(CacheError(.unavailable, "the connection ended before the request did; try again"))
        case let error as HTTPError where error.status.code < 500:
            self = Failure(error.status, CacheError(.invalidRequest, error.body ?? error.status.reasonPhrase))
        default: self = .unexpected(requestID: context.requestID)
        }
        var metadata: Logger.Metadata = ["gateway": "\(gateway)", "error.code": "\(self.error.code)"]
        let isFault = self.status.code == 500
        metadata["error"] = "\(error)"
        context.logger.log(level: isFault ? .error : .debug, "request failed", metadata: metadata)
    }
}

extension CacheError {
    /// The error as clients may see it: causes name files and statements of the server.
    fileprivate var withoutCause: Self {
        guard self.code == .invalidRequest, let cause = self.cause as? CacheError else {
            return CacheError(self.code == .unreadable ? .unavailable : self.code, self.message)
        }
        return CacheError(self.code, "\(self.message): \(cause.message)")
    }
}

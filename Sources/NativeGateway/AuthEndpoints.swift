internal import AccessControl
internal import AccessPolicy
internal import CacheModel
internal import GatewayKit
internal import HTTPTypes
internal import Hummingbird
internal import JobIdentities
internal import NativeAPI

extension NativeGateway {
    /// How jobs of CI systems get a credential.
    var authEndpoints: [Endpoint] {
        [
            Endpoint(
                method: .post,
                path: "/v1/auth/exchange",
                operation: "exchangeIdentity",
                summary: "Exchanges a CI system's identity token for a session token of an hour at most.",
                request: .message("ExchangeRequest"),
                success: .ok("ExchangeResponse", "The session; without a token on a server that needs none."),
                errors: [400, 401, 413, 503],
                access: .anyone,
                handler: self.exchangeIdentity
            ),
            Endpoint(
                method: .delete,
                path: "/v1/auth/session",
                operation: "endJobSession",
                summary: "Ends the session whose token the request has.",
                success: .noContent("The session has ended."),
                access: .anyCredential,
                handler: self.endJobSession
            ),
        ]
    }

    @Sendable private func exchangeIdentity(_ call: NativeCall) async throws -> Response {
        let request = try await call.message(ExchangeRequest.self, limit: 2 * TokenVerifier.maximumLength)
        guard self.control.isClosed else { return try .json(ExchangeResponse()) }
        let session: IdentityExchange.Session
        do throws(IdentityRefusal) {
            session = try await self.exchange.exchange(request.token)
        } catch .keysUnavailable {
            throw CacheError(.unavailable, IdentityRefusal.keysUnavailable.message)
        } catch {
            throw Failure(
                .unauthorized,
                CacheError(.unauthenticated, error.message),
                headers: [.wwwAuthenticate: "Bearer"]
            )
        }
        let identity = session.identity
        let principal = Credential.job(identity)
            .principal(for: identity.project, self.control.rules(identity.project), asserting: nil)
        return try .json(
            ExchangeResponse(
                token: session.token,
                expiresAt: session.expiresAt,
                project: identity.project,
                scope: principal.scope,
                tier: principal.tier.rawValue
            )
        )
    }

    @Sendable private func endJobSession(_ call: NativeCall) async throws -> Response {
        if let field = call.request.headers[.authorization], let secret = AccessControl.secret(in: field) {
            self.exchange.sessions.end(secret)
        }
        return .noContent
    }
}

internal import AsyncHTTPClient
internal import CacheModel
internal import NIOCore
internal import NIOHTTP1
package import NativeAPI

extension NativeClient {
    /// Whether requests carry a credential.
    package var hasCredential: Bool { self.options.token != nil }

    /// Exchanges a CI system's identity token for a session.
    ///
    /// - Returns: The session; without a token if the server needs none, or knows no such exchange.
    /// - Throws: ``CacheModel/CacheError`` that says which rule the token broke.
    package func exchange(identity token: String) async throws -> ExchangeResponse {
        do {
            return try await self.ask(
                ExchangeResponse.self,
                .POST,
                "/v1/auth/exchange",
                sending: ExchangeRequest(token: token)
            )
        } catch let error as CacheError where error.code == .notFound {
            return ExchangeResponse()
        }
    }

    /// Ends the session whose token this client sends.
    package func endJobSession() async throws {
        try await self.collect(
            NativeRequest(method: .DELETE, path: "/v1/auth/session"),
            attempts: 1,
            limit: .seconds(5)
        )
    }
}

/// GitHub's answer to a job that asks who it is.
package enum GitHubIdentity {
    private struct Answer: Decodable { var value: String }

    private static let maximumBytes = 65_536

    /// Asks GitHub for an identity token for `audience`.
    ///
    /// The request's own token goes to that address only; redirects are not followed.
    ///
    /// - Parameters:
    ///   - address: The job's `ACTIONS_ID_TOKEN_REQUEST_URL`.
    ///   - bearer: Its `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    ///   - audience: Whom the token is to be for.
    /// - Returns: The token.
    /// - Throws: ``CacheModel/CacheError`` with code `unavailable`.
    package static func token(from address: String, bearer: String, audience: String) async throws -> String {
        let client = HTTPClient(
            eventLoopGroupProvider: .singleton,
            configuration: .init(
                redirectConfiguration: .disallow,
                timeout: .init(connect: .seconds(5), read: .seconds(10))
            )
        )
        let result: Result<[UInt8], any Error>
        do {
            let separator = address.contains("?") ? "&" : "?"
            var request = HTTPClientRequest(url: address + separator + "audience=" + PathEncoding.encode(audience))
            request.headers.add(name: "authorization", value: "Bearer \(bearer)")
            request.headers.add(name: "accept", value: "application/json")
            let response = try await client.execute(request, timeout: .seconds(20))
            guard response.status == .ok else {
                throw CacheError(.unavailable, "GitHub answered with status \(response.status.code)")
            }
            result = .success(Array(try await response.body.collect(upTo: Self.maximumBytes).readableBytesView))
        } catch {
            result = .failure(error)
        }
        try? await client.shutdown()
        do {
            return try NativeJSON.decode(Answer.self, from: result.get()).value
        } catch {
            throw CacheError(
                .unavailable,
                "GitHub gave the job no identity token; it needs 'permissions: id-token: write'",
                cause: error
            )
        }
    }
}

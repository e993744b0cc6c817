internal import AccessControl
internal import AccessPolicy
internal import CacheModel
internal import GatewayKit
internal import HTTPTypes
internal import Hummingbird

/// What a request must be allowed to do before its handler runs; each endpoint has to say it.
enum AccessRule: Sendable {
    /// Anybody may ask, also without a credential.
    case anyone
    /// Whoever has a credential; the answer is about the credential itself.
    case anyCredential
    /// This, on the whole server.
    case server(AccessAction)
    /// One of these, somewhere in the project that the path names.
    ///
    /// The handler asks ``NativeCall/access`` for the scopes: a query or a body may name one.
    case anyOf([AccessAction])

    /// One of these, somewhere in the project that the path names.
    static func project(_ actions: AccessAction...) -> Self { .anyOf(actions) }

    /// Whether a request needs a credential on a closed server.
    var needsCredential: Bool {
        if case .anyone = self { return false }
        return true
    }
}

extension NativeGateway {
    /// The one place that lets requests in.
    ///
    /// - Throws: ``GatewayKit/Failure`` with status 401, or ``CacheModel/CacheError`` with code `forbidden`.
    func admit(_ request: Request, _ context: GatewayContext, to endpoint: Endpoint) throws -> NativeCall {
        let credential = endpoint.access.needsCredential ? try self.authenticate(request) : nil
        let query = endpoint.parameters.filter { $0.place == .query }.map(\.name)
        var call = NativeCall(
            request: request,
            context: context,
            query: try Query(of: request, known: query),
            limits: self.limits,
            credential: credential
        )
        guard let credential else { return call }
        switch endpoint.access {
        case .anyone, .anyCredential: break
        case .server(let action): try self.control.admit(credential, to: action)
        case .anyOf(let actions):
            let access = self.control.access(credential, to: try call.project())
            let isScopeInQuery = endpoint.parameters.contains { $0.name == "scope" && $0.place == .query }
            try access.admit(anyOf: actions, asserting: isScopeInQuery ? try call.scope() : nil)
            call.projectAccess = access
        }
        return call
    }

    private func authenticate(_ request: Request) throws -> Credential {
        do throws(CredentialRefusal) {
            return try self.control.authenticate(request.headers[.authorization])
        } catch {
            throw Failure(
                .unauthorized,
                CacheError(.unauthenticated, error.message),
                headers: [.wwwAuthenticate: "Bearer"]
            )
        }
    }
}

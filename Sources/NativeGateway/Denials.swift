internal import AccessControl
internal import AccessPolicy
internal import CacheModel
internal import CacheService
internal import GatewayKit
internal import Hummingbird
internal import Logging

extension NativeGateway {
    /// How many refused attempts of one credential are noted at once, and in each minute after that.
    static var notedDenials: Double { 60 }

    /// Lets a request in and answers it; what the policy refuses is noted in the audit log.
    func answer(_ request: Request, _ context: GatewayContext, at endpoint: Endpoint) async throws -> Response {
        do {
            return try await endpoint.handler(self.admit(request, context, to: endpoint))
        } catch let error as CacheError where error.code == .forbidden {
            await self.noteDenial(of: request, context, error)
            throw error
        }
    }

    /// Notes an attempt of somebody who is known; of many in a short time only the first, so that nobody fills the log.
    private func noteDenial(of request: Request, _ context: GatewayContext, _ error: CacheError) async {
        guard let credential = try? self.control.authenticate(request.headers[.authorization]) else { return }
        let name = credential.serverPrincipal.name
        guard self.denials.take(.credential(name)) == nil else { return }
        func part(_ name: String) -> String? {
            context.parameters.get(name).flatMap { try? PercentCoding.decode($0, what: name) }
        }
        let project = part("owner").flatMap { owner in part("name").flatMap { try? ProjectName(owner: owner, name: $0) }
        }
        do {
            try await self.service.note(
                .denied,
                by: name,
                project: project,
                key: part("key").flatMap { try? CacheKey($0) },
                detail: "\(request.method.rawValue): \(error.message)"
            )
        } catch {
            context.logger.error("a refused attempt was not noted", metadata: ["error": "\(error)"])
        }
    }
}

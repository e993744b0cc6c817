internal import CacheModel
internal import HTTPTypes
package import Hummingbird
internal import Synchronization

/// All routes of the server, for telling an unknown path from a method that a path does not know.
package final class RouteTable: Sendable {
    private let routes = Mutex<[(path: RouterPath, method: HTTPRequest.Method)]>([])

    /// Creates an empty table.
    package init() {}

    /// Takes over what the router knows, once everything is mounted.
    package func fill(from router: Router<GatewayContext>) {
        let routes = router.routes.map { ($0.path, $0.method) }
        self.routes.withLock { $0 = routes }
    }

    /// The failure to answer a request with that the router did not find a route for.
    func failure(for request: Request) -> Failure {
        let components = request.uri.path.split(separator: "/", omittingEmptySubsequences: true)
        let matching = self.routes.withLock { $0.filter { Self.matches($0.path, components) } }
        // The router prefers words to parameters, as `blobs/fetch` to `blobs/{digest}`.
        let fewest = matching.map { Self.parameterCount($0.path) }.min()
        var methods = Set(
            matching.filter { Self.parameterCount($0.path) == fewest }.map(\.method.rawValue)
        )
        guard !methods.isEmpty else {
            return Failure(
                CacheError(.notFound, "there is no such path on this server; GET /v1/openapi.json lists all")
            )
        }
        if methods.contains("GET") { methods.insert("HEAD") }
        let allowed = methods.sorted().joined(separator: ", ")
        return Failure(
            .methodNotAllowed,
            CacheError(.invalidRequest, "this path does not know \(request.method.rawValue); it knows \(allowed)"),
            headers: [.allow: allowed]
        )
    }

    private static func parameterCount(_ path: RouterPath) -> Int {
        path.components.count { component in component.description.contains { "{:*".contains($0) } }
    }

    private static func matches(_ path: RouterPath, _ components: [Substring]) -> Bool {
        if path.components.last == .recursiveWildcard {
            let fixed = path.components.dropLast()
            return components.count > fixed.count && zip(fixed, components).allSatisfy { $0 ~= $1 }
        }
        return path.components.count == components.count && zip(path.components, components).allSatisfy { $0 ~= $1 }
    }
}

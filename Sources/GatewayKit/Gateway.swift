package import Hummingbird

/// One wire protocol, mounted on the server's router.
///
/// A gateway translates requests into calls on `CacheService` and failures
/// into what its protocol's clients expect. It touches no store and does not
/// know that other gateways exist.
package protocol Gateway: Sendable {
    /// A short name for configuration, logs and metrics, such as `native`.
    static var name: String { get }

    /// Where the protocol's clients look for it, such as `/v2` for a registry; empty for the root.
    var mount: RouterPath { get }

    /// The routes, relative to ``mount``.
    func routes() -> RouteCollection<GatewayContext>

    /// Renders a failure the way this protocol's clients expect it.
    func render(_ failure: Failure, for context: GatewayContext) -> Response
}

extension Router where Context == GatewayContext {
    /// Mounts a gateway with its own rendering of failures.
    package func mount<G: Gateway>(_ gateway: G) {
        let group = self.group(gateway.mount)
        group.add(middleware: ErrorRendering(gateway: gateway))
        group.addRoutes(gateway.routes())
    }
}

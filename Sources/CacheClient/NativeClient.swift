internal import AsyncHTTPClient
package import CacheModel
internal import NIOCore
internal import NIOHTTP1
internal import NativeAPI

/// Speaks the native API with one project of a server: one method for each endpoint.
///
/// Requests that fail in a way that a later try may survive are tried again, with growing pauses and some chance in
/// them; all requests are idempotent. Bytes that do not move for ``Options/stallLimit`` end a try.
package final class NativeClient: Sendable {
    /// How to talk.
    package struct Options: Sendable {
        /// How long to wait for a connection.
        package var connectLimit = Duration.seconds(10)
        /// How long a transfer may stand still.
        package var stallLimit = Duration.seconds(30)
        /// How long one try may take in all; transfers of whole layers may take longer.
        package var tryLimit = Duration.seconds(900)
        /// How often a request is tried.
        package var attempts = 3
        /// The pause before the second try, in seconds; later ones grow.
        package var firstPause = 0.1
        /// The proxy on the way, if any.
        package var proxy: ProxyAddress?
        /// An authority that is trusted besides those of the system, if any.
        package var authority: PrivateAuthority?
        /// The credential that is sent, if any.
        package var token: String?
        /// What the client says it is.
        package var userAgent = "tarn"

        package init() {}
    }

    /// Where the server is.
    package let server: ServerAddress
    /// The project that keys belong to.
    package let project: ProjectName
    let options: Options
    let http: HTTPClient

    /// Creates a client; ``shutdown()`` must be called when it is no longer needed.
    package init(server: ServerAddress, project: ProjectName, options: Options = Options()) {
        self.server = server
        self.project = project
        self.options = options
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: .init(
                connect: TimeAmount(options.connectLimit),
                read: TimeAmount(options.stallLimit),
                write: TimeAmount(options.stallLimit)
            )
        )
        configuration.httpVersion = .http1Only
        configuration.tlsConfiguration = options.authority?.configuration
        configuration.proxy = options.proxy?.configuration
        configuration.connectionPool.retryConnectionEstablishment = false
        self.http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// Closes all connections.
    package func shutdown() async { try? await self.http.shutdown() }

    /// Calls `body` with a client for requests that the server thinks about for long, such as a check of all its bytes.
    func patiently<Value>(_ body: (NativeClient) async throws -> Value) async throws -> Value {
        var options = self.options
        options.stallLimit = .seconds(86_400)
        options.tryLimit = .seconds(86_400)
        let client = NativeClient(server: self.server, project: self.project, options: options)
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(client))
        } catch {
            result = .failure(error)
        }
        await client.shutdown()
        return try result.get()
    }

    var projectPath: String { "/v1/projects/\(self.project.owner)/\(self.project.name)" }
}

/// A request before it is sent.
struct NativeRequest: Sendable {
    var method: HTTPMethod
    var path: String
    var query: [(name: String, value: String?)] = []
    var contentType: String?
    var body: HTTPClientRequest.Body?

    /// The path with the query behind it.
    var target: String {
        let items = self.query.compactMap { item in item.value.map { "\(item.name)=\(PathEncoding.encode($0))" } }
        return items.isEmpty ? self.path : self.path + "?" + items.joined(separator: "&")
    }
}

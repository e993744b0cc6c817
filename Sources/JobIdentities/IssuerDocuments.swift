internal import AsyncHTTPClient
package import CacheModel
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL

/// Gets the documents that issuers publish: who they are, and their keys.
package struct IssuerDocuments: Sendable {
    private static let maximumBytes = 65_536

    private let configuration: HTTPClient.Configuration

    /// Trusts the authorities of the system, and those of a PEM file.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` that names the file.
    package init(authorityFile: String? = nil) throws(CacheError) {
        var encryption = TLSConfiguration.makeClientConfiguration()
        encryption.minimumTLSVersion = .tlsv12
        if let file = authorityFile {
            encryption.additionalTrustRoots = [.certificates(try Self.certificates(file))]
        }
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: encryption,
            redirectConfiguration: .disallow
        )
        configuration.timeout = .init(connect: .seconds(5), read: .seconds(5))
        self.configuration = configuration
    }

    private static func certificates(_ file: String) throws(CacheError) -> [NIOSSLCertificate] {
        let certificates = (try? NIOSSLCertificate.fromPEMFile(file)) ?? []
        guard !certificates.isEmpty else {
            throw CacheError(.invalidRequest, "'\(file)' cannot be read, or holds no certificate in PEM form")
        }
        return certificates
    }

    /// Gets what is at a URL: 64 KiB at most, within ten seconds, without following redirects.
    ///
    /// - Throws: ``CacheModel/CacheError`` for any status but 200, or what the connection or the certificate failed with.
    @Sendable package func fetch(_ address: String) async throws -> [UInt8] {
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: self.configuration)
        let result: Result<[UInt8], any Error>
        do {
            let response = try await client.execute(HTTPClientRequest(url: address), timeout: .seconds(10))
            guard response.status == .ok else {
                throw CacheError(.unavailable, "'\(address)' answered with status \(response.status.code)")
            }
            let body = try await response.body.collect(upTo: Self.maximumBytes)
            result = .success(Array(body.readableBytesView))
        } catch {
            result = .failure(error)
        }
        try await client.shutdown()
        return try result.get()
    }
}

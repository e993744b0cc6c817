internal import CacheModel
package import GatewayKit
package import Logging
internal import NIOSSL
internal import Synchronization

/// The certificate that the server shows, read again when its files change.
package final class Certificates: Sendable {
    private struct State {
        var context: NIOSSLContext
        /// The files as they were looked at last, whether they could be used or not.
        var seen: [FileStamp?]
    }

    private static let expiryMetric = "tarn_tls_certificate_expiry_timestamp_seconds"
    private static let largestFile = 1_048_576

    private let certificatePath: String
    private let keyPath: String
    private let metrics: Metrics
    private let state: Mutex<State>

    /// Reads both files.
    ///
    /// - Throws: ``CacheModel/CacheError`` that names the file.
    package init(certificate: String, key: String, metrics: Metrics) throws {
        let seen = [FileStamp(of: certificate), FileStamp(of: key)]
        let (context, expiry) = try Self.load(certificate, key)
        (self.certificatePath, self.keyPath, self.metrics) = (certificate, key, metrics)
        self.state = Mutex(State(context: context, seen: seen))
        metrics.declare(Self.expiryMetric, .gauge, "When the TLS certificate in use ends, in seconds since 1970.")
        metrics.set(Self.expiryMetric, Double(expiry))
    }

    /// What new connections use.
    var current: NIOSSLContext { self.state.withLock { $0.context } }

    /// Reads the files again if one of them has changed; what cannot be used is logged, and what was used before stays.
    package func reload(_ logger: Logger) {
        let seen = [FileStamp(of: self.certificatePath), FileStamp(of: self.keyPath)]
        guard self.state.withLock({ $0.seen != seen }) else { return }
        self.state.withLock { $0.seen = seen }
        do {
            let (context, expiry) = try Self.load(self.certificatePath, self.keyPath)
            self.state.withLock { $0.context = context }
            self.metrics.set(Self.expiryMetric, Double(expiry))
            logger.notice("new TLS certificate in use", metadata: ["certificate": "\(self.certificatePath)"])
        } catch {
            logger.error("the new TLS certificate cannot be used; the old one stays", metadata: ["error": "\(error)"])
        }
    }

    private static func load(_ certificate: String, _ key: String) throws -> (NIOSSLContext, Int) {
        let chain = try self.read(certificate, what: "TLS certificate") {
            try NIOSSLCertificate.fromPEMBytes($0)
        }
        guard let leaf = chain.first else {
            throw CacheError(.invalidRequest, "TLS certificate '\(certificate)' holds no certificate in PEM form")
        }
        let privateKey = try self.read(key, what: "TLS key") { try NIOSSLPrivateKey(bytes: $0, format: .pem) }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(privateKey)
        )
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        do {
            return (try NIOSSLContext(configuration: configuration), leaf.notValidAfter)
        } catch {
            throw CacheError(
                .invalidRequest,
                "TLS certificate '\(certificate)' and key '\(key)' cannot be used together; does the key belong to it?",
                cause: error
            )
        }
    }

    private static func read<Value>(_ path: String, what: String, _ parse: ([UInt8]) throws -> Value) throws -> Value {
        let text = try AtomicFile.read(path, limit: Self.largestFile)
        do {
            return try parse(Array(text.utf8))
        } catch {
            throw CacheError(
                .invalidRequest,
                "\(what) '\(path)' cannot be read; it has to be in PEM form",
                cause: error
            )
        }
    }
}

package import CacheModel
internal import NIOSSL

/// Certificates of authorities that are trusted besides those of the system: a company's own.
package struct PrivateAuthority: Sendable {
    let certificates: [NIOSSLCertificate]

    /// Reads a PEM file.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` that names the file.
    package init(file: String) throws(CacheError) {
        do {
            self.certificates = try NIOSSLCertificate.fromPEMFile(file)
        } catch {
            throw CacheError(
                .invalidRequest,
                "the authority's certificate '\(file)' cannot be read; --ca-file and TARN_CA_FILE name a PEM file"
            )
        }
        guard !self.certificates.isEmpty else {
            throw CacheError(.invalidRequest, "the authority's file '\(file)' holds no certificate in PEM form")
        }
    }

    /// How connections are encrypted.
    var configuration: TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.additionalTrustRoots = [.certificates(self.certificates)]
        return configuration
    }
}

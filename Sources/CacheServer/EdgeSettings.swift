internal import GatewayKit
internal import Logging
internal import ServiceLifecycle

// What the configuration says about the server's edge.

extension Edge {
    /// A caller may send this many seconds' worth of requests at once: a restore is a burst.
    private static let burstSeconds = 10.0

    /// The edge that the configuration describes.
    init(_ configuration: ServerConfiguration) {
        self.init()
        self.proxies = TrustedProxies(configuration.trustedProxies)
        self.isEncrypted = configuration.certificate != nil
        let rate = Double(configuration.requestRate)
        if rate > 0 { self.requests = RateLimiter(perSecond: rate, burst: rate * Self.burstSeconds) }
        let failures = Double(configuration.authenticationFailureRate)
        if failures > 0 { self.failures = RateLimiter(perSecond: failures / 60, burst: failures) }
    }
}

extension Certificates {
    /// How often the files are looked at.
    private static let interval = Duration.seconds(1)

    /// The certificate that the configuration names, if it names one.
    ///
    /// - Throws: ``CacheModel/CacheError`` that names the file which cannot be used.
    convenience init?(_ configuration: ServerConfiguration, _ metrics: Metrics) throws {
        guard let certificate = configuration.certificate, let key = configuration.key else { return nil }
        try self.init(certificate: certificate, key: key, metrics: metrics)
    }

    /// Follows the files.
    func job(_ logger: Logger) -> RepeatedJob {
        RepeatedJob(name: "certificates", interval: Self.interval, logger: logger, runsAtEnd: false) {
            self.reload(logger)
        }
    }
}

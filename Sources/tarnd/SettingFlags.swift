internal import ArgumentParser
internal import CacheServer

// One flag for each of `Setting.all`, which has the texts.

extension Option where Value == String? {
    /// The flag of a setting.
    fileprivate init(setting name: String) { self.init(name: .customLong(name), help: .setting(name)) }
}

extension Flag where Value == Bool {
    /// The flag of a setting that is true or false.
    fileprivate init(wrappedValue: Bool, setting name: String) {
        self.init(wrappedValue: wrappedValue, name: .customLong(name), help: .setting(name))
    }
}

extension ArgumentHelp {
    fileprivate static func setting(_ name: String) -> Self? {
        guard let setting = Setting.all.first(where: { $0.name == name }) else { return nil }
        let fallback = setting.fallback.map { $0 == "false" ? "" : " (default: \($0))" } ?? ""
        return Self("\(setting.help)\(fallback)", valueName: setting.placeholder)
    }
}

struct BasicsFlags: ParsableArguments {
    @Option(setting: "data") var data: String?
    @Option(setting: "listen") var listen: String?
    @Option(setting: "port-file") var portFile: String?
    @Flag(setting: "insecure-open") var insecureOpen = false
    @Flag(setting: "public-metrics") var publicMetrics = false
    @Option(setting: "access") var access: String?
    @Option(setting: "issuer-ca-file") var issuerAuthorityFile: String?
    @Option(setting: "tls-certificate") var tlsCertificate: String?
    @Option(setting: "tls-key") var tlsKey: String?
    @Option(setting: "trusted-proxies") var trustedProxies: String?
    @Option(setting: "durability") var durability: String?
    @Option(setting: "threads") var threads: String?
    @Option(setting: "compression-level") var compressionLevel: String?
    @Option(setting: "log-format") var logFormat: String?
    @Option(setting: "log-level") var logLevel: String?

    /// The values that were given, by the settings' names.
    var values: [String: String?] {
        [
            "data": self.data,
            "listen": self.listen,
            "port-file": self.portFile,
            "insecure-open": self.insecureOpen ? "true" : nil,
            "access": self.access,
            "issuer-ca-file": self.issuerAuthorityFile,
            "tls-certificate": self.tlsCertificate,
            "tls-key": self.tlsKey,
            "trusted-proxies": self.trustedProxies,
            "public-metrics": self.publicMetrics ? "true" : nil,
            "durability": self.durability,
            "threads": self.threads,
            "compression-level": self.compressionLevel,
            "log-format": self.logFormat,
            "log-level": self.logLevel,
        ]
    }
}

struct BudgetsFlags: ParsableArguments {
    @Option(setting: "max-size") var maxSize: String?
    @Option(setting: "max-project-size") var maxProjectSize: String?
    @Option(setting: "max-project-entries") var maxProjectEntries: String?
    @Option(setting: "small-entry-size") var smallEntrySize: String?
    @Option(setting: "small-entry-share") var smallEntryShare: String?
    @Option(setting: "unprotected-share") var unprotectedShare: String?
    @Option(setting: "ttl") var ttl: String?
    @Option(setting: "max-ttl") var maxTtl: String?
    @Option(setting: "undo-time") var undoTime: String?
    @Option(setting: "audit-keep") var auditKeep: String?
    @Option(setting: "session-time") var sessionTime: String?
    @Option(setting: "lease-time") var leaseTime: String?

    /// The values that were given, by the settings' names.
    var values: [String: String?] {
        [
            "max-size": self.maxSize,
            "max-project-size": self.maxProjectSize,
            "max-project-entries": self.maxProjectEntries,
            "small-entry-size": self.smallEntrySize,
            "small-entry-share": self.smallEntryShare,
            "unprotected-share": self.unprotectedShare,
            "ttl": self.ttl,
            "max-ttl": self.maxTtl,
            "undo-time": self.undoTime,
            "audit-keep": self.auditKeep,
            "session-time": self.sessionTime,
            "lease-time": self.leaseTime,
        ]
    }
}

struct DiskFlags: ParsableArguments {
    @Option(setting: "verify-after") var verifyAfter: String?
    @Option(setting: "scrub-rate") var scrubRate: String?
    @Option(setting: "min-free-space") var minFreeSpace: String?
    @Option(setting: "ballast") var ballast: String?

    /// The values that were given, by the settings' names.
    var values: [String: String?] {
        [
            "verify-after": self.verifyAfter,
            "scrub-rate": self.scrubRate,
            "min-free-space": self.minFreeSpace,
            "ballast": self.ballast,
        ]
    }
}

struct LimitsFlags: ParsableArguments {
    @Option(setting: "max-connections") var maxConnections: String?
    @Option(setting: "max-connections-per-address") var maxConnectionsPerAddress: String?
    @Option(setting: "request-rate") var requestRate: String?
    @Option(setting: "auth-failure-rate") var authFailureRate: String?
    @Option(setting: "max-uploads") var maxUploads: String?
    @Option(setting: "max-header-size") var maxHeaderSize: String?
    @Option(setting: "max-json-body") var maxJsonBody: String?
    @Option(setting: "max-commit-body") var maxCommitBody: String?
    @Option(setting: "max-blob-body") var maxBlobBody: String?
    @Option(setting: "max-tar-body") var maxTarBody: String?
    @Option(setting: "max-digests") var maxDigests: String?
    @Option(setting: "max-entry-size") var maxEntrySize: String?
    @Option(setting: "max-layers") var maxLayers: String?
    @Option(setting: "min-body-rate") var minBodyRate: String?

    /// The values that were given, by the settings' names.
    var values: [String: String?] {
        [
            "max-connections": self.maxConnections,
            "max-connections-per-address": self.maxConnectionsPerAddress,
            "request-rate": self.requestRate,
            "auth-failure-rate": self.authFailureRate,
            "max-uploads": self.maxUploads,
            "max-header-size": self.maxHeaderSize,
            "max-json-body": self.maxJsonBody,
            "max-commit-body": self.maxCommitBody,
            "max-blob-body": self.maxBlobBody,
            "max-tar-body": self.maxTarBody,
            "max-digests": self.maxDigests,
            "max-entry-size": self.maxEntrySize,
            "max-layers": self.maxLayers,
            "min-body-rate": self.minBodyRate,
        ]
    }
}

struct TimesFlags: ParsableArguments {
    @Option(setting: "header-timeout") var headerTimeout: String?
    @Option(setting: "idle-timeout") var idleTimeout: String?
    @Option(setting: "body-timeout") var bodyTimeout: String?
    @Option(setting: "write-timeout") var writeTimeout: String?
    @Option(setting: "shutdown-time") var shutdownTime: String?
    @Option(setting: "flush-interval") var flushInterval: String?
    @Option(setting: "collect-interval") var collectInterval: String?

    /// The values that were given, by the settings' names.
    var values: [String: String?] {
        [
            "header-timeout": self.headerTimeout,
            "idle-timeout": self.idleTimeout,
            "body-timeout": self.bodyTimeout,
            "write-timeout": self.writeTimeout,
            "shutdown-time": self.shutdownTime,
            "flush-interval": self.flushInterval,
            "collect-interval": self.collectInterval,
        ]
    }
}

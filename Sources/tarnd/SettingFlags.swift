internal import ArgumentParser

// One flag for each of `Setting.all`; a test compares the help with the table.

struct BasicsFlags: ParsableArguments {
    @Option(
        name: .customLong("data"),
        help: ArgumentHelp("folder with everything the server keeps; created if it is not there", valueName: "DIR")
    )
    var data: String?

    @Option(
        name: .customLong("listen"),
        help: ArgumentHelp("address to listen on; port 0 takes any (default: 127.0.0.1:7878)", valueName: "HOST:PORT")
    )
    var listen: String?

    @Option(
        name: .customLong("port-file"),
        help: ArgumentHelp("file to write the port to once it is bound", valueName: "FILE")
    )
    var portFile: String?

    @Flag(name: .customLong("insecure-open"), help: "serve other machines although there are no tokens")
    var insecureOpen = false

    @Flag(name: .customLong("public-metrics"), help: "let anybody read /metrics, also without a credential")
    var publicMetrics = false

    @Option(
        name: .customLong("access"),
        help: ArgumentHelp("who is trusted with what (default: access.yml in the data folder)", valueName: "FILE")
    )
    var access: String?

    @Option(
        name: .customLong("issuer-ca-file"),
        help: ArgumentHelp("PEM file with authorities for the issuers of identity tokens", valueName: "FILE")
    )
    var issuerAuthorityFile: String?

    @Option(
        name: .customLong("tls-certificate"),
        help: ArgumentHelp(
            "PEM file with the certificate and those between it and its authority; read again when it changes",
            valueName: "FILE"
        )
    )
    var tlsCertificate: String?

    @Option(
        name: .customLong("tls-key"),
        help: ArgumentHelp("PEM file with the certificate's key; read again when it changes", valueName: "FILE")
    )
    var tlsKey: String?

    @Option(
        name: .customLong("trusted-proxies"),
        help: ArgumentHelp(
            "addresses whose X-Forwarded-For, Forwarded and X-Forwarded-Proto are believed",
            valueName: "CIDR[,CIDR]"
        )
    )
    var trustedProxies: String?

    @Option(
        name: .customLong("durability"),
        help: ArgumentHelp(
            "strict: what was answered survives a loss of power (default: strict)",
            valueName: "strict|relaxed"
        )
    )
    var durability: String?

    @Option(
        name: .customLong("threads"),
        help: ArgumentHelp(
            "threads that read, write, hash and compress (default: twice the cores, at least 8)",
            valueName: "N"
        )
    )
    var threads: String?

    @Option(
        name: .customLong("compression-level"),
        help: ArgumentHelp("zstd level of what the server compresses itself (default: 3)", valueName: "N")
    )
    var compressionLevel: String?

    @Option(
        name: .customLong("log-format"),
        help: ArgumentHelp("how log lines are written to stderr (default: json)", valueName: "json|text")
    )
    var logFormat: String?

    @Option(
        name: .customLong("log-level"),
        help: ArgumentHelp(
            "least level that is logged: trace, debug, info, notice, warning, error (default: info)",
            valueName: "LEVEL"
        )
    )
    var logLevel: String?

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
    @Option(
        name: .customLong("max-size"),
        help: ArgumentHelp("most bytes of the data folder; least recently used entries go first", valueName: "SIZE")
    )
    var maxSize: String?

    @Option(name: .customLong("max-project-size"), help: ArgumentHelp("most bytes of one project", valueName: "SIZE"))
    var maxProjectSize: String?

    @Option(
        name: .customLong("max-project-entries"),
        help: ArgumentHelp(
            "most entries of one project, removed ones included (default: 2000000)",
            valueName: "N"
        )
    )
    var maxProjectEntries: String?

    @Option(
        name: .customLong("small-entry-size"),
        help: ArgumentHelp(
            "entries below this are small: large ones do not push them out (default: 8MiB)",
            valueName: "SIZE"
        )
    )
    var smallEntrySize: String?

    @Option(
        name: .customLong("small-entry-share"),
        help: ArgumentHelp("share of the budget that is kept for small entries (default: 10)", valueName: "PERCENT")
    )
    var smallEntryShare: String?

    @Option(
        name: .customLong("unprotected-share"),
        help: ArgumentHelp(
            "most of the budget that pr/, fork/ and dev/ scopes hold (default: 25)",
            valueName: "PERCENT"
        )
    )
    var unprotectedShare: String?

    @Option(
        name: .customLong("ttl"),
        help: ArgumentHelp("when entries expire whose save names no time to live", valueName: "TIME")
    )
    var ttl: String?

    @Option(
        name: .customLong("max-ttl"),
        help: ArgumentHelp("longest time to live that a save may ask for", valueName: "TIME")
    )
    var maxTtl: String?

    @Option(
        name: .customLong("undo-time"),
        help: ArgumentHelp("how long a removed entry can be brought back (default: 24h)", valueName: "TIME")
    )
    var undoTime: String?

    @Option(
        name: .customLong("audit-keep"),
        help: ArgumentHelp(
            "how long rows of the audit log are kept; for ever if it is not given",
            valueName: "TIME"
        )
    )
    var auditKeep: String?

    @Option(
        name: .customLong("session-time"),
        help: ArgumentHelp("how long a save may pause before its pins end (default: 1h)", valueName: "TIME")
    )
    var sessionTime: String?

    @Option(
        name: .customLong("lease-time"),
        help: ArgumentHelp(
            "how long a restore may pause before its bytes may be collected (default: 30m)",
            valueName: "TIME"
        )
    )
    var leaseTime: String?

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
    @Option(
        name: .customLong("verify-after"),
        help: ArgumentHelp(
            "how long a blob counts as sound once it was compared with its digest (default: 7d)",
            valueName: "TIME|never"
        )
    )
    var verifyAfter: String?

    @Option(
        name: .customLong("scrub-rate"),
        help: ArgumentHelp(
            "most bytes a second that are read to find damage; 0 for none (default: 8MiB)",
            valueName: "SIZE"
        )
    )
    var scrubRate: String?

    @Option(
        name: .customLong("min-free-space"),
        help: ArgumentHelp(
            "free bytes of the disk below which entries are evicted (default: 1 % of it, at most 256MiB)",
            valueName: "SIZE"
        )
    )
    var minFreeSpace: String?

    @Option(
        name: .customLong("ballast"),
        help: ArgumentHelp(
            "bytes kept so that entries can be removed while the disk is full; 0 for none (default: 64MiB)",
            valueName: "SIZE"
        )
    )
    var ballast: String?

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

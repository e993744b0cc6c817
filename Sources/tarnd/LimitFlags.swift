internal import ArgumentParser

// The second half of the flags: limits and times.

struct LimitsFlags: ParsableArguments {
    @Option(
        name: .customLong("max-connections"),
        help: ArgumentHelp("connections at once; more wait to be accepted (default: 1024)", valueName: "N")
    )
    var maxConnections: String?

    @Option(
        name: .customLong("max-connections-per-address"),
        help: ArgumentHelp(
            "connections of one address; more are closed, but for this machine and trusted proxies (default: 256)",
            valueName: "N"
        )
    )
    var maxConnectionsPerAddress: String?

    @Option(
        name: .customLong("request-rate"),
        help: ArgumentHelp(
            "requests a second of one token or address, ten times as many at once; more get 429 (default: 0, any)",
            valueName: "N"
        )
    )
    var requestRate: String?

    @Option(
        name: .customLong("auth-failure-rate"),
        help: ArgumentHelp(
            "wrong tokens a minute of one address before it gets 429 (default: 60; 0: any)",
            valueName: "N"
        )
    )
    var authFailureRate: String?

    @Option(
        name: .customLong("max-uploads"),
        help: ArgumentHelp(
            "bodies of blobs and tars that are received at once; more wait (default: 16)",
            valueName: "N"
        )
    )
    var maxUploads: String?

    @Option(
        name: .customLong("max-header-size"),
        help: ArgumentHelp("a request's head (default: 64KiB)", valueName: "SIZE")
    )
    var maxHeaderSize: String?

    @Option(name: .customLong("max-json-body"), help: ArgumentHelp("a JSON body (default: 8MiB)", valueName: "SIZE"))
    var maxJsonBody: String?

    @Option(name: .customLong("max-commit-body"), help: ArgumentHelp("a commit (default: 1MiB)", valueName: "SIZE"))
    var maxCommitBody: String?

    @Option(
        name: .customLong("max-blob-body"),
        help: ArgumentHelp("a body of blob records (default: 256MiB)", valueName: "SIZE")
    )
    var maxBlobBody: String?

    @Option(
        name: .customLong("max-tar-body"),
        help: ArgumentHelp("an uploaded tar, compressed or not (default: 64GiB)", valueName: "SIZE")
    )
    var maxTarBody: String?

    @Option(
        name: .customLong("max-digests"),
        help: ArgumentHelp("digests in one question (default: 10000)", valueName: "N")
    )
    var maxDigests: String?

    @Option(
        name: .customLong("max-entry-size"),
        help: ArgumentHelp("the tars of an entry (default: 64GiB)", valueName: "SIZE")
    )
    var maxEntrySize: String?

    @Option(name: .customLong("max-layers"), help: ArgumentHelp("layers of an entry (default: 64)", valueName: "N"))
    var maxLayers: String?

    @Option(
        name: .customLong("min-body-rate"),
        help: ArgumentHelp("least bytes a second of a body, over body-timeout (default: 1KiB)", valueName: "SIZE")
    )
    var minBodyRate: String?

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
    @Option(
        name: .customLong("header-timeout"),
        help: ArgumentHelp(
            "from the connection to the end of the first request's head (default: 30s)",
            valueName: "TIME"
        )
    )
    var headerTimeout: String?

    @Option(
        name: .customLong("idle-timeout"),
        help: ArgumentHelp("from an answer to the end of the next request's head (default: 75s)", valueName: "TIME")
    )
    var idleTimeout: String?

    @Option(
        name: .customLong("body-timeout"),
        help: ArgumentHelp("how long a body may be slower than min-body-rate (default: 30s)", valueName: "TIME")
    )
    var bodyTimeout: String?

    @Option(
        name: .customLong("write-timeout"),
        help: ArgumentHelp("how long a client may take nothing of an answer (default: 60s)", valueName: "TIME")
    )
    var writeTimeout: String?

    @Option(
        name: .customLong("shutdown-time"),
        help: ArgumentHelp("how long requests in flight may take after SIGTERM (default: 30s)", valueName: "TIME")
    )
    var shutdownTime: String?

    @Option(
        name: .customLong("flush-interval"),
        help: ArgumentHelp("how often uses and figures are written (default: 10s)", valueName: "TIME")
    )
    var flushInterval: String?

    @Option(
        name: .customLong("collect-interval"),
        help: ArgumentHelp("how often the collector runs (default: 60s)", valueName: "TIME")
    )
    var collectInterval: String?

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

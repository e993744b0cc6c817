internal import CacheModel
internal import CacheService
internal import GatewayKit
internal import Logging
internal import NIOCore
internal import NativeGateway

/// What a setting expected instead of the value it was given.
struct SettingProblem: Error {
    var expected: String
}

/// One setting: a flag, a variable, a key of the configuration file.
package struct Setting: Sendable {
    /// The flag without its dashes, and the key in the file.
    package var name: String
    /// The placeholder of its value in help texts.
    package var placeholder: String
    /// The default as text, or `nil` if there is none.
    package var fallback: String?
    /// What it means.
    package var help: String
    /// Reads a value into a configuration.
    let apply: @Sendable (inout ServerConfiguration, String) throws(SettingProblem) -> Void

    /// The environment's variable.
    package var variable: String { "TARND_" + self.name.uppercased().replacing("-", with: "_") }

    init(
        _ name: String,
        _ placeholder: String,
        _ fallback: String?,
        _ help: String,
        _ apply: @escaping @Sendable (inout ServerConfiguration, String) throws(SettingProblem) -> Void
    ) {
        self.name = name
        self.placeholder = placeholder
        self.fallback = fallback
        self.help = help
        self.apply = apply
    }

    /// All settings, in the order of the help.
    package static let all = Self.basics + Self.budgets + Self.disk + Self.limits + Self.times

    private static let basics: [Self] = [
        Self("data", "DIR", nil, "folder with everything the server keeps; created if it is not there") {
            (configuration, text) throws(SettingProblem) in configuration.data = text
        },
        Self("listen", "HOST:PORT", "127.0.0.1:7878", "address to listen on; port 0 takes any") {
            (configuration, text) throws(SettingProblem) in
            (configuration.host, configuration.port) = try Self.address(text)
        },
        Self("port-file", "FILE", nil, "file to write the port to once it is bound") {
            (configuration, text) throws(SettingProblem) in configuration.portFile = text
        },
        Self("insecure-open", "BOOL", "false", "serve other machines although there are no tokens") {
            (configuration, text) throws(SettingProblem) in configuration.isOpen = try Self.flag(text)
        },
        Self("access", "FILE", nil, "who is trusted with what; access.yml in the data folder unless told otherwise") {
            (configuration, text) throws(SettingProblem) in configuration.accessFile = text
        },
        Self("issuer-ca-file", "FILE", nil, "PEM file with authorities for the issuers of identity tokens") {
            (configuration, text) throws(SettingProblem) in configuration.issuerAuthorityFile = text
        },
        Self(
            "tls-certificate",
            "FILE",
            nil,
            "PEM file with the certificate and those between it and its authority; read again when it changes"
        ) {
            (configuration, text) throws(SettingProblem) in configuration.certificate = text
        },
        Self("tls-key", "FILE", nil, "PEM file with the certificate's key; read again when it changes") {
            (configuration, text) throws(SettingProblem) in configuration.key = text
        },
        Self(
            "trusted-proxies",
            "CIDR[,CIDR]",
            nil,
            "addresses whose X-Forwarded-For, Forwarded and X-Forwarded-Proto are believed"
        ) {
            (configuration, text) throws(SettingProblem) in configuration.trustedProxies = try Self.ranges(text)
        },
        Self("public-metrics", "BOOL", "false", "let anybody read /metrics, also without a credential") {
            (configuration, text) throws(SettingProblem) in configuration.limits.hasPublicMetrics = try Self.flag(text)
        },
        Self("durability", "strict|relaxed", "strict", "strict: what was answered survives a loss of power") {
            (configuration, text) throws(SettingProblem) in configuration.durability = try Self.choice(text)
        },
        Self("threads", "N", String(max(8, System.coreCount * 2)), "threads that read, write, hash and compress") {
            (configuration, text) throws(SettingProblem) in configuration.threads = try Self.number(text, 1...1_024)
        },
        Self("compression-level", "N", "3", "zstd level of what the server compresses itself") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.compressionLevel = try Self.number(text, 1...19)
        },
        Self("log-format", "json|text", "json", "how log lines are written to stderr") {
            (configuration, text) throws(SettingProblem) in configuration.logFormat = try Self.choice(text)
        },
        Self("log-level", "LEVEL", "info", "least level that is logged: trace, debug, info, notice, warning, error") {
            (configuration, text) throws(SettingProblem) in
            guard let level = Logger.Level(rawValue: text) else {
                throw SettingProblem(expected: "trace, debug, info, notice, warning, error or critical")
            }
            configuration.logLevel = level
        },
    ]

    private static let budgets: [Self] = [
        Self("max-size", "SIZE", nil, "most bytes of the data folder; least recently used entries go first") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.policy.budget = try Self.bytes(text, atLeast: 1)
        },
        Self("max-project-size", "SIZE", nil, "most bytes of one project") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.policy.projectBudget = try Self.bytes(text, atLeast: 1)
        },
        Self("max-project-entries", "N", "2000000", "most entries of one project, removed ones included") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.policy.projectEntries = try Self.number(text, 1...100_000_000)
        },
        Self("small-entry-size", "SIZE", "8MiB", "entries below this are small: large ones do not push them out") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.policy.smallEntryLimit = try Self.bytes(text)
        },
        Self("small-entry-share", "PERCENT", "10", "share of the budget that is kept for small entries") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.policy.smallEntryShare = Double(try Self.number(text, 0...100)) / 100
        },
        Self("unprotected-share", "PERCENT", "25", "most of the budget that pr/, fork/ and dev/ scopes hold") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.policy.unprotectedShare = Double(try Self.number(text, 0...100)) / 100
        },
        Self("ttl", "TIME", nil, "when entries expire whose save names no time to live") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.defaultTimeToLive = try Self.duration(text)
        },
        Self("max-ttl", "TIME", nil, "longest time to live that a save may ask for") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.maximumTimeToLive = try Self.duration(text)
        },
        Self("undo-time", "TIME", "24h", "how long a removed entry can be brought back") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.undoTime = try Self.duration(text)
        },
        Self("audit-keep", "TIME", nil, "how long rows of the audit log are kept; for ever if it is not given") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.auditTime = try Self.duration(text)
        },
        Self("session-time", "TIME", "1h", "how long a save may pause before its pins end") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.sessionTime = try Self.duration(text)
        },
        Self("lease-time", "TIME", "30m", "how long a restore may pause before its bytes may be collected") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.leaseTime = try Self.duration(text)
        },
    ]

    private static let disk: [Self] = [
        Self("verify-after", "TIME|never", "7d", "how long a blob counts as sound once it was compared with its digest")
        {
            (configuration, text) throws(SettingProblem) in
            configuration.service.verifyAfter = text == "never" ? nil : try Self.duration(text)
        },
        Self("scrub-rate", "SIZE", "8MiB", "most bytes a second that are read to find damage; 0 for none") {
            (configuration, text) throws(SettingProblem) in configuration.scrubRate = try Self.bytes(text)
        },
        Self(
            "min-free-space",
            "SIZE",
            nil,
            "free bytes of the disk below which entries are evicted; else 1 % of it, at most 256MiB"
        ) {
            (configuration, text) throws(SettingProblem) in configuration.minimumFreeSpace = try Self.bytes(text)
        },
        Self("ballast", "SIZE", "64MiB", "bytes kept so that entries can be removed while the disk is full; 0 for none")
        {
            (configuration, text) throws(SettingProblem) in configuration.ballast = try Self.bytes(text)
        },
    ]

    private static let limits: [Self] = [
        Self("max-connections", "N", "1024", "connections at once; more wait to be accepted") {
            (configuration, text) throws(SettingProblem) in
            configuration.maximumConnections = try Self.number(text, 1...1_000_000)
        },
        Self(
            "max-connections-per-address",
            "N",
            "256",
            "connections of one address, but for this machine and proxies; more are closed"
        ) {
            (configuration, text) throws(SettingProblem) in
            configuration.maximumConnectionsPerAddress = try Self.number(text, 1...1_000_000)
        },
        Self(
            "request-rate",
            "N",
            "0",
            "requests a second of one token or address, ten times as many at once; more get 429; 0: any"
        ) {
            (configuration, text) throws(SettingProblem) in
            configuration.requestRate = try Self.number(text, 0...1_000_000)
        },
        Self("auth-failure-rate", "N", "60", "wrong tokens a minute of one address before it gets 429; 0: any") {
            (configuration, text) throws(SettingProblem) in
            configuration.authenticationFailureRate = try Self.number(text, 0...1_000_000)
        },
        Self("max-uploads", "N", "16", "bodies of blobs and tars that are received at once; more wait") {
            (configuration, text) throws(SettingProblem) in
            configuration.limits.uploads = try Self.number(text, 1...100_000)
        },
        Self("max-header-size", "SIZE", "64KiB", "a request's head") {
            (configuration, text) throws(SettingProblem) in
            configuration.maximumHeaderSize = try Self.bytes(text, atLeast: 8_192)
        },
        Self("max-json-body", "SIZE", "8MiB", "a JSON body") {
            (configuration, text) throws(SettingProblem) in
            configuration.limits.jsonBody = try Self.bytes(text, atLeast: 1_024)
        },
        Self("max-commit-body", "SIZE", "1MiB", "a commit") {
            (configuration, text) throws(SettingProblem) in
            configuration.limits.commitBody = try Self.bytes(text, atLeast: 1_024)
        },
        Self("max-blob-body", "SIZE", "256MiB", "a body of blob records") {
            (configuration, text) throws(SettingProblem) in
            configuration.limits.blobBody = try Self.bytes(text, atLeast: 1_024)
        },
        Self("max-tar-body", "SIZE", "64GiB", "an uploaded tar, compressed or not") {
            (configuration, text) throws(SettingProblem) in
            configuration.limits.tarBody = try Self.bytes(text, atLeast: 1_024)
        },
        Self("max-digests", "N", "10000", "digests in one question") {
            (configuration, text) throws(SettingProblem) in
            configuration.limits.digests = try Self.number(text, 1...1_000_000)
        },
        Self("max-entry-size", "SIZE", "64GiB", "the tars of an entry") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.maximumEntrySize = try Self.bytes(text, atLeast: 1_024)
        },
        Self("max-layers", "N", "64", "layers of an entry") {
            (configuration, text) throws(SettingProblem) in
            configuration.service.maximumLayers = try Self.number(text, 1...1_000)
        },
        Self("min-body-rate", "SIZE", "1KiB", "least bytes a second of a body, over body-timeout") {
            (configuration, text) throws(SettingProblem) in
            configuration.timeouts.minimumBodyRate = try Self.bytes(text)
        },
    ]

    private static let times: [Self] = [
        Self("header-timeout", "TIME", "30s", "from the connection to the end of the first request's head") {
            (configuration, text) throws(SettingProblem) in configuration.timeouts.header = try Self.duration(text)
        },
        Self("idle-timeout", "TIME", "75s", "from an answer to the end of the next request's head") {
            (configuration, text) throws(SettingProblem) in configuration.timeouts.idle = try Self.duration(text)
        },
        Self("body-timeout", "TIME", "30s", "how long a body may be slower than min-body-rate") {
            (configuration, text) throws(SettingProblem) in configuration.timeouts.body = try Self.duration(text)
        },
        Self("write-timeout", "TIME", "60s", "how long a client may take nothing of an answer") {
            (configuration, text) throws(SettingProblem) in configuration.timeouts.write = try Self.duration(text)
        },
        Self("shutdown-time", "TIME", "30s", "how long requests in flight may take after SIGTERM") {
            (configuration, text) throws(SettingProblem) in configuration.shutdownTime = try Self.duration(text)
        },
        Self("flush-interval", "TIME", "10s", "how often uses and figures are written") {
            (configuration, text) throws(SettingProblem) in configuration.flushInterval = try Self.duration(text)
        },
        Self("collect-interval", "TIME", "60s", "how often the collector runs") {
            (configuration, text) throws(SettingProblem) in configuration.collectInterval = try Self.duration(text)
        },
    ]
}

extension Setting {
    private static func address(_ text: String) throws(SettingProblem) -> (String, Int) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var host = parts.dropLast().joined(separator: ":")
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard parts.count >= 2, !host.isEmpty, let port = parts.last.flatMap({ Int($0) }), (0...65_535).contains(port)
        else { throw SettingProblem(expected: "HOST:PORT, such as 127.0.0.1:7878 or [::1]:7878") }
        return (host, port)
    }

    private static func ranges(_ text: String) throws(SettingProblem) -> [AddressRange] {
        var ranges: [AddressRange] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let trimmed = part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
            guard let range = AddressRange(String(trimmed)) else {
                throw SettingProblem(
                    expected: "addresses or ranges such as 10.0.0.0/8,2001:db8::1, with commas between"
                )
            }
            ranges.append(range)
        }
        return ranges
    }

    private static func flag(_ text: String) throws(SettingProblem) -> Bool {
        switch text {
        case "true", "yes", "1": true
        case "false", "no", "0": false
        default: throw SettingProblem(expected: "true or false")
        }
    }

    private static func number(_ text: String, _ range: ClosedRange<Int>) throws(SettingProblem) -> Int {
        guard let number = Int(text), range.contains(number) else {
            throw SettingProblem(expected: "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func bytes(_ text: String, atLeast minimum: Int = 0) throws(SettingProblem) -> Int {
        guard let bytes = Quantity.bytes(text), bytes >= minimum else {
            throw SettingProblem(expected: "a size of at least \(minimum) bytes, such as 50GB or 512MiB")
        }
        return bytes
    }

    private static func duration(_ text: String) throws(SettingProblem) -> Duration {
        guard let duration = Quantity.duration(text), duration > .zero else {
            throw SettingProblem(expected: "a time with a unit, such as 30s, 24h or 7d")
        }
        return duration
    }

    private static func choice<Choice>(_ text: String) throws(SettingProblem) -> Choice
    where Choice: RawRepresentable<String> & CaseIterable {
        guard let choice = Choice(rawValue: text) else {
            throw SettingProblem(expected: Choice.allCases.map(\.rawValue).joined(separator: " or "))
        }
        return choice
    }
}

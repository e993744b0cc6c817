internal import CacheModel
package import CacheService
package import GatewayKit
package import Logging
package import NativeGateway

/// Everything the server can be told, read once at start.
///
/// The rest of the program sees plain values: no target but this one knows
/// where they come from. Names, defaults and meaning of all settings stand in
/// ``Setting/all``.
package struct ServerConfiguration: Sendable {
    /// What survives a loss of power.
    package enum Durability: String, Sendable, CaseIterable {
        case strict
        case relaxed
    }

    /// How log lines are written.
    package enum LogFormat: String, Sendable, CaseIterable {
        case json
        case text
    }

    /// The times after which a connection is given up.
    package struct Timeouts: Sendable {
        /// From the connection to the end of the first request's head.
        package var header = Duration.seconds(30)
        /// From an answer to the end of the next request's head.
        package var idle = Duration.seconds(75)
        /// How long a body may arrive more slowly than ``minimumBodyRate``.
        package var body = Duration.seconds(30)
        /// How long a client may take nothing of an answer.
        package var write = Duration.seconds(60)
        /// The least bytes a second of a body.
        package var minimumBodyRate = 1_024

        package init() {}
    }

    /// A setting that is in force, and who set it.
    package struct InForce: Sendable {
        package var name: String
        package var value: String
        package var source: String
    }

    /// The data folder.
    package var data = ""
    /// The address to listen on.
    package var host = "127.0.0.1"
    /// The port to listen on; 0 for any.
    package var port = 7_878
    /// Where to write the port once it is bound.
    package var portFile: String?
    /// The access file; `access.yml` in the data folder, if it is there, unless told otherwise.
    package var accessFile: String?
    /// A PEM file with authorities that issuers of identity tokens are trusted by, besides those of the system.
    package var issuerAuthorityFile: String?
    /// Whether to serve other machines without tokens.
    package var isOpen = false
    /// The file with the TLS certificate and those that lead to its authority; `nil` for no TLS.
    package var certificate: String?
    /// The file with the certificate's key.
    package var key: String?
    /// The proxies whose word is taken for where requests come from.
    package var trustedProxies: [AddressRange] = []
    /// What survives a loss of power.
    package var durability = Durability.strict
    /// Times, budgets and limits of the use cases.
    package var service = CacheService.Configuration()
    /// Limits of single requests.
    package var limits = NativeLimits()
    /// The most connections at once.
    package var maximumConnections = 1_024
    /// The most connections of one address.
    package var maximumConnectionsPerAddress = 256
    /// How many requests a second one caller may send; 0 for any number.
    package var requestRate = 0
    /// How many wrong credentials a minute one address may send; 0 for any number.
    package var authenticationFailureRate = 60
    /// The most bytes of a request's head.
    package var maximumHeaderSize = 65_536
    /// When connections are given up.
    package var timeouts = Timeouts()
    /// How long requests in flight may take after a signal to stop.
    package var shutdownTime = Duration.seconds(30)
    /// How often uses and figures are written.
    package var flushInterval = Duration.seconds(10)
    /// How often the collector runs.
    package var collectInterval = Duration.seconds(60)
    /// The most bytes a second that are read to find damage; 0 for none.
    package var scrubRate = 8 * 1_048_576
    /// The free bytes below which entries are evicted; a share of the disk if nothing is said.
    package var minimumFreeSpace: Int?
    /// The bytes that are kept for removing entries while the disk is full.
    package var ballast = 64 * 1_048_576
    /// The threads that read, write, hash and compress.
    package var threads = 8
    /// How log lines are written.
    package var logFormat = LogFormat.json
    /// The least level that is logged.
    package var logLevel = Logger.Level.info
    /// All settings with the value in force and its source.
    package private(set) var settings: [InForce] = []

    package init() {}

    /// Puts a configuration together: flags before environment before file before defaults.
    ///
    /// - Parameters:
    ///   - flags: Values of flags by the setting's name.
    ///   - environment: The environment; settings are `TARND_MAX_SIZE` and the like.
    ///   - readFile: Reads a file's text.
    /// - Throws: ``ConfigurationProblems`` with every problem there is.
    package init(
        flags: [String: String],
        environment: [String: String],
        readFile: (String) throws -> String
    ) throws(ConfigurationProblems) {
        var problems: [String] = []
        var file: [String: String] = [:]
        let path = flags["config"] ?? environment["TARND_CONFIG"]
        if let path {
            do {
                file = try ConfigurationFile.read(path, text: readFile(path), problems: &problems)
            } catch {
                problems.append("configuration file '\(path)' cannot be read: \(error)")
            }
        }
        for setting in Setting.all {
            let (value, source) = Self.find(setting, flags, environment, file, path)
            self.settings.append(InForce(name: setting.name, value: value ?? "none", source: source))
            guard let value else { continue }
            do throws(SettingProblem) {
                try setting.apply(&self, value)
            } catch {
                problems.append("\(source): \(setting.name) is '\(value)', expected \(error.expected)")
            }
        }
        self.checkTogether(&problems)
        if !problems.isEmpty { throw ConfigurationProblems(problems: problems) }
    }

    private static func find(
        _ setting: Setting,
        _ flags: [String: String],
        _ environment: [String: String],
        _ file: [String: String],
        _ path: String?
    ) -> (value: String?, source: String) {
        if let value = flags[setting.name] { return (value, "flag --\(setting.name)") }
        if let value = environment[setting.variable] { return (value, "variable \(setting.variable)") }
        if let value = file[setting.name], let path { return (value, "file \(path)") }
        return (setting.fallback, "default")
    }

    private func checkTogether(_ problems: inout [String]) {
        if self.data.isEmpty { problems.append("data folder: none is given; start with --data DIR") }
        if (self.certificate == nil) != (self.key == nil) {
            problems.append("tls-certificate and tls-key: only one of them is given, and TLS needs both")
        }
        if let budget = self.service.policy.budget, let project = self.service.policy.projectBudget, project > budget {
            problems.append("max-project-size: it is larger than max-size")
        }
    }

    static func isLoopback(_ host: String) -> Bool {
        if host == "::1" || host == "localhost" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}

/// Everything that is wrong with a configuration.
package struct ConfigurationProblems: Error, CustomStringConvertible {
    /// One sentence each.
    package var problems: [String]

    /// All of them, a line each.
    package var description: String { self.problems.joined(separator: "\n") }
}

internal import Glibc
package import Logging

extension ServerConfiguration {
    /// The configuration of this process, from `flags`, its environment and the file that they name.
    ///
    /// - Throws: ``ConfigurationProblems``.
    package static func loaded(flags: [String: String]) throws(ConfigurationProblems) -> Self {
        var environment: [String: String] = [:]
        for name in Setting.all.map(\.variable) + ["TARND_CONFIG"] {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        return try Self(flags: flags, environment: environment) { try AtomicFile.read($0, limit: 1_048_576) }
    }

    /// Says what is in force and who set it.
    package func log(to logger: Logger) {
        var metadata: Logger.Metadata = [:]
        for setting in self.settings { metadata[setting.name] = "\(setting.value) (\(setting.source))" }
        logger.notice("configuration in force", metadata: metadata)
    }
}

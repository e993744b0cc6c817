internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import KeyTemplates
internal import LayerFiles

/// `cachectl run`.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Restore, run a command unless its result was restored, and save.",
        discussion: """
            Restores the paths under the key. If there was no entry with exactly that key (or with --always) the \
            command runs; if it succeeds and the key was not found exactly, the paths are saved under the key, as it \
            was before the command. Signals are passed on to the command.

            Examples:
              cachectl run --key 'node-{{ checksum "package-lock.json" }}' --path node_modules -- npm ci
              cachectl run --key 'deps-{{ checksum "requirements.txt" }}' --restore-key deps- --path venv --always -- \
            ./install-deps

            Exit status: that of the command; 128 and the signal's number if a signal ended it; 127 if it is not \
            found, 126 if it cannot be run; 0 if it was not needed. What goes wrong with the cache is told and does \
            not count, unless --strict is given.
            """
    )

    @Option(help: ArgumentHelp("The key, as a template.", valueName: "template"))
    var key: String

    @Option(help: ArgumentHelp("A path to restore and save; may be given again.", valueName: "path"))
    var path: [String] = []

    @Option(
        help: ArgumentHelp(
            "A key to restore from if the first is not found; may be given again.",
            valueName: "template"
        )
    )
    var restoreKey: [String] = []

    @Flag(help: "Run the command even if the key was found exactly.")
    var always = false

    @Flag(help: "Save even if files seem to hold private keys, logins or tokens.")
    var allowSecrets = false

    @Flag(help: "Fail if the cache fails.")
    var strict = false

    @Argument(parsing: .postTerminator, help: "The command and its arguments, after '--'.")
    var command: [String] = []

    @OptionGroup var options: ServerOptions

    func validate() throws {
        if self.command.isEmpty { throw ValidationError("there is no command; give it after '--'") }
        if self.path.isEmpty { throw ValidationError("there is no --path; say what to restore and save") }
    }

    func run() async throws {
        let settings = try self.options.settings()
        let keys = JobKeys(settings)
        let key = try keys.expand(self.key)
        _ = try key.cacheKey()
        for warning in key.warnings { Messages.warn(warning) }
        let cache = JobCache(settings, isStrict: self.strict, allowsSecrets: self.allowSecrets)
        let restored = try await cache.restore([key] + self.restoreKeys(keys))
        var outcome = RunOutcome(key: key.text, restored: restored)
        if restored != .exact || self.always {
            let status = try ChildProcess.run(self.command)
            outcome.status = status
            if status == 0, restored != .exact {
                var secrets: [FoundSecret] = []
                outcome.saved = try await cache.save(key, paths: self.path, secrets: &secrets)
                if !secrets.isEmpty { outcome.secrets = SecretsReport.findings(secrets) }
            }
        }
        if self.options.json { try Output().json(outcome) }
        if let status = outcome.status, status != 0 { throw StatusOnly(status: status) }
    }

    /// The keys to fall back on; one that cannot be expanded is left out, as a restore step does.
    private func restoreKeys(_ keys: JobKeys) -> [ExpandedKey] {
        self.restoreKey.compactMap { template in
            do {
                return try keys.expand(template)
            } catch {
                Messages.warn((error as? CommandFailure)?.message ?? "\(error)")
                return nil
            }
        }
    }
}

/// What `cachectl run --json` prints after the command.
struct RunOutcome: Encodable, Sendable {
    enum Restored: String, Encodable, Sendable {
        case exact
        case prefix
        case miss
        /// The cache failed; the job goes on.
        case failed
    }

    var key: String
    var restored: Restored
    /// The command's status; absent if it was not run.
    var status: Int32?
    /// Whether the paths were saved.
    var saved = false
    /// The files that seem to hold secrets, if that is why the paths were not saved.
    var secrets: [SecretsReport.Finding]?
}

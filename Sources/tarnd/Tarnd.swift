internal import ArgumentParser
internal import CLinux
internal import CacheServer
internal import Glibc
internal import Logging

/// The server.
@main
struct Tarnd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tarnd",
        abstract: "Serves a content-addressed build cache from one folder.",
        discussion: """
            Values come from flags, then from environment variables (--max-size is TARND_MAX_SIZE), then from the YAML \
            file that --config names (max-size: 50GB), then from the defaults. What is in force is logged at start.

            SIGTERM and SIGINT stop the server: it takes no new requests, finishes those in flight, and closes its \
            database.

            EXAMPLES
              tarnd --data /var/lib/tarn --max-size 50GB
              tarnd --data ./cache --listen 127.0.0.1:0 --port-file ./port
              tarnd check --data /var/lib/tarn --read-data

            SEE ALSO
              tarnd check --help           checks the data folder of a stopped server
              tarnd backup --help          copies the data folder, also while the server runs
              tarnd restore-backup --help  makes a data folder from a backup
              tarnd rebuild-index --help   makes a new database from the stored bytes

            EXIT CODES
              0  stopped as it was told to
              1  a failure: the folder is in use, the address is taken, the disk fails
              2  a wrong flag, variable or configuration file
            """,
        version: TarnServer.version
    )

    @OptionGroup(title: "Basics")
    var basics: BasicsFlags

    @Option(name: .long, help: ArgumentHelp("YAML file with settings, named like the flags", valueName: "FILE"))
    var config: String?

    @OptionGroup(title: "Budgets and times to live")
    var budgets: BudgetsFlags

    @OptionGroup(title: "Disk")
    var disk: DiskFlags

    @OptionGroup(title: "Limits")
    var limits: LimitsFlags

    @OptionGroup(title: "Times")
    var times: TimesFlags

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        tarn_bound_malloc()
        var flags: [String: String] = [:]
        for values in [
            self.basics.values, self.budgets.values, self.disk.values, self.limits.values, self.times.values,
        ] {
            for (name, value) in values { flags[name] = value }
        }
        flags["config"] = self.config
        let configuration = try ServerConfiguration.loaded(flags: flags)
        let logger = Logger(label: "tarnd") { _ in
            LineLogHandler(level: configuration.logLevel, format: configuration.logFormat)
        }
        configuration.log(to: logger)
        try await TarnServer(configuration, logger: logger).run()
    }

    /// Dispatches by hand: as a subcommand's, the flag `--data` would be taken by the server's of the same name.
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        switch arguments.first {
        case "check": await Check.start(arguments.dropFirst())
        case "backup": await Backup.start(arguments.dropFirst())
        case "restore-backup": await RestoreBackup.start(arguments.dropFirst())
        case "rebuild-index": await RebuildIndex.start(arguments.dropFirst())
        default: await Self.start(arguments[...])
        }
    }
}

extension AsyncParsableCommand {
    /// Runs the command, and ends the process if it fails.
    static func start(_ arguments: ArraySlice<String>) async {
        do {
            var command = try Self.parse(Array(arguments))
            try await command.run()
        } catch {
            Self.leave(with: error)
        }
    }
}

extension ParsableCommand {
    /// Ends the process with what `error` calls for.
    static func leave(with error: any Error) -> Never {
        switch error {
        case let code as ExitCode: Glibc.exit(code.rawValue)
        case let problems as ConfigurationProblems:
            for problem in problems.problems { Tarnd.complain(problem) }
            Glibc.exit(2)
        default:
            let code = self.exitCode(for: error)
            if code == .success {
                print(self.fullMessage(for: error))
                Glibc.exit(0)
            }
            guard code == .validationFailure else {
                Tarnd.complain("\(error)")
                Glibc.exit(1)
            }
            let text = Array((self.fullMessage(for: error) + "\n").utf8)
            _ = write(STDERR_FILENO, text, text.count)
            Glibc.exit(2)
        }
    }
}

extension Tarnd {
    /// Writes a sentence to stderr.
    static func complain(_ sentence: String) {
        let text = Array("tarnd: \(sentence)\n".utf8)
        _ = write(STDERR_FILENO, text, text.count)
    }
}

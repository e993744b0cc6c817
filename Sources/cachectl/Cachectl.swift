internal import ArgumentParser
internal import CommandLineKit
internal import Glibc

/// `cachectl`: what people do with a cache outside of jobs.
struct Cachectl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cachectl",
        abstract: "Look into, change and use a Tarn cache.",
        discussion: """
            The server and the project come from --url and --project, or from TARN_URL and TARN_PROJECT. \
            Every command prints one JSON document with --json.

            Examples:
              cachectl ls deps1-                       the entries whose keys start so
              cachectl why deps1-main-k3v9…            why a job did not find its key
              cachectl rm 'pr-42-*' --dry-run          what would go
              cachectl export deps1-main-x - | tar x   a saved tree, anywhere
              cachectl run --key 'lint-{{ .Revision }}' --path report.txt -- ./lint

            Exit status:
              0    done
              1    failure
              2    wrong use
              3    partial: some of it was done
              10   no such entry
              11   the server cannot be reached
              12   not authorised
              130  interrupted
              'cachectl run' ends with the status of its command.

            Keys are printed with control characters escaped as \\u{1b}. A '*' at the end of a key of rm, pin and \
            unpin makes it a prefix; write '\\*' for a key that ends in a star.
            """,
        version: ProgramVersion.text,
        groupedSubcommands: [
            CommandGroup(
                name: "Look",
                subcommands: [
                    ListCommand.self, ShowCommand.self, WhyCommand.self, StatisticsCommand.self, DiffCommand.self,
                    CatCommand.self, AuditCommand.self,
                ]
            ),
            CommandGroup(
                name: "Change",
                subcommands: [
                    RemoveCommand.self, PinCommand.self, UnpinCommand.self, ExportCommand.self, ImportCommand.self,
                    CollectCommand.self, CheckCommand.self,
                ]
            ),
            CommandGroup(name: "Access", subcommands: [TokenCommand.self, WhoAmICommand.self, PolicyCommand.self]),
            CommandGroup(
                name: "Jobs",
                subcommands: [
                    KeyCommand.self, HashCommand.self, LintCommand.self, RunCommand.self, SignKeyCommand.self,
                ]
            ),
        ]
    )
}

/// Runs the command line and turns its end into an exit status.
@main
enum Main {
    static func main() async {
        // Whoever reads a pipe may leave; writing tells so.
        signal(SIGPIPE, SIG_IGN)
        var status: Int32
        do {
            var command = try Cachectl.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            status = CommandStatus.done.rawValue
        } catch {
            status = Self.report(error)
        }
        exit(status)
    }

    /// Tells what went wrong, and gives the exit status for it.
    private static func report(_ error: any Error) -> Int32 {
        switch error {
        case let code as ExitCode: return code.rawValue
        case let end as StatusOnly: return end.status
        case is Output.Closed: return CommandStatus.done.rawValue
        case let failure as CommandFailure:
            if let message = failure.message { Messages.complain(message) }
            return failure.status.rawValue
        default: break
        }
        // ArgumentParser's own errors are the only ones it does not call failures.
        let code = Cachectl.exitCode(for: error)
        if code == .success {
            return Self.tell(Cachectl.fullMessage(for: error))
        }
        if code == .validationFailure {
            Messages.writeUnescaped(Cachectl.fullMessage(for: error), to: STDERR_FILENO)
            return CommandStatus.usage.rawValue
        }
        Messages.complain("\(error)")
        return CommandStatus(for: error).rawValue
    }

    private static func tell(_ help: String) -> Int32 {
        Messages.writeUnescaped(help, to: STDOUT_FILENO)
        return CommandStatus.done.rawValue
    }
}

package import ArgumentParser
internal import CacheClient
internal import CacheModel
internal import Glibc
internal import LayerFiles

/// How `restore_cache` and `save_cache` end: the cache never breaks a job unless it was asked to.
package enum JobExit: Int32, Sendable {
    case done = 0
    case failure = 1
    case usage = 2
    case miss = 10
    case unreachable = 11
    case notAuthorized = 12
    case interrupted = 130

    /// What `--help` says about it.
    package static let manual = """
        Exit status:
          0    done; also on a miss and when the cache fails, so that it never breaks a job
          1    the cache failed, with --strict
          2    wrong use
          10   nothing was restored, with --require-hit
          11   the server cannot be reached, with --strict
          12   not authorised, with --strict
          130  interrupted
        """

    /// The status for an error of the cache in a job that wants to know.
    package init(for error: any Error) {
        switch error {
        case let error as CacheError where error.code == .forbidden: self = .notAuthorized
        case let error as CacheError where error.cause is UnreachableServer: self = .unreachable
        case is CancellationError: self = .interrupted
        default: self = .failure
        }
    }

    /// What a person is told about an error of the cache.
    package static func describe(_ error: any Error) -> String {
        // The marker says nothing that the message does not say.
        if let error = error as? CacheError, error.cause is UnreachableServer { return error.message }
        return "\(error)"
    }

    /// Ends the process.
    package func end() -> Never { Glibc.exit(self.rawValue) }
}

extension AsyncParsableCommand {
    /// Runs the command of a job: wrong use ends with 2, a signal ends what it does cleanly and then with 130.
    package static func runJob() async -> Never {
        let interruption = Interruption()
        let work = Task {
            do {
                var command = try Self.parse()
                try await command.run()
                return JobExit.done.rawValue
            } catch let code as ExitCode {
                return code.rawValue
            } catch is CancellationError {
                return JobExit.interrupted.rawValue
            } catch {
                return Self.explain(error)
            }
        }
        interruption.onSignal { work.cancel() }
        Glibc.exit(await work.value)
    }

    private static func explain(_ error: any Error) -> Int32 {
        let isHelp = Self.exitCode(for: error) == .success
        let text = Array("\(Self.fullMessage(for: error))\n".utf8)
        let file = isHelp ? STDOUT_FILENO : STDERR_FILENO
        try? text.withUnsafeBytes { try Output.write($0, to: file, named: "the terminal") }
        return isHelp ? JobExit.done.rawValue : JobExit.usage.rawValue
    }
}

@preconcurrency internal import Glibc
internal import Synchronization

/// Runs a command as a child that gets the signals this process is sent.
enum ChildProcess {
    /// What a shell gives for a command that it cannot find, and for one that it cannot run.
    private static let notFoundStatus: Int32 = 127
    private static let notRunnableStatus: Int32 = 126

    /// Runs a command to its end.
    ///
    /// Blocks the calling thread. Signals that somebody sends to this process go on to the command; those that the
    /// terminal sends (Ctrl-C) reach it anyway, because it is in the same process group.
    ///
    /// - Returns: Its exit status; 128 and the signal's number if a signal ended it.
    /// - Throws: ``CommandFailure`` if it cannot be started.
    static func run(_ command: [String]) throws -> Int32 {
        SignalRelay.start()
        defer { SignalRelay.stop() }
        let process = try Self.spawn(command)
        SignalRelay.relay(to: process)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { throw CommandFailure(.failure, "cannot wait for '\(command[0])'") }
        }
        // WIFSIGNALED and WEXITSTATUS, which Swift cannot import.
        let signal = status & 0x7f
        return signal == 0 ? status >> 8 & 0xff : 128 + signal
    }

    private static func spawn(_ command: [String]) throws -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The network library ignores SIGPIPE, which a child would inherit.
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for signal in SignalRelay.signals + [SIGPIPE] { sigaddset(&defaults, signal) }
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        // The threads of Swift's pool block signals, which a child would inherit too.
        var blocked = sigset_t()
        sigemptyset(&blocked)
        posix_spawnattr_setsigmask(&attributes, &blocked)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var arguments = command.map { strdup($0) }
        defer { for argument in arguments { free(argument) } }
        arguments.append(nil)
        var process: pid_t = 0
        let result = posix_spawnp(&process, command[0], nil, &attributes, arguments, environ)
        guard result == 0 else {
            Messages.complain("cannot run '\(command[0])': \(String(cString: strerror(result)))")
            throw StatusOnly(status: result == ENOENT ? Self.notFoundStatus : Self.notRunnableStatus)
        }
        return process
    }
}

/// Ends the process with a status that is not one of ours.
struct StatusOnly: Error {
    var status: Int32
}

/// Passes signals on to one child.
private enum SignalRelay {
    static let signals = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2]

    /// The child; 0 if there is none yet.
    private static let child = Atomic<Int32>(0)
    /// A signal that came before the child; 0 if none.
    private static let early = Atomic<Int32>(0)

    /// Takes over the signals.
    ///
    /// The first accesses to both atomics happen here, not in the handler.
    static func start() {
        Self.child.store(0, ordering: .sequentiallyConsistent)
        Self.early.store(0, ordering: .sequentiallyConsistent)
        var action = sigaction()
        action.__sigaction_handler.sa_sigaction = { signal, information, _ in
            SignalRelay.handle(signal, isFromKernel: (information?.pointee.si_code ?? 0) > 0)
        }
        action.sa_flags = SA_SIGINFO
        for signal in Self.signals { sigaction(signal, &action, nil) }
    }

    /// Gives the signals back.
    static func stop() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = SIG_DFL
        for signal in Self.signals { sigaction(signal, &action, nil) }
        Self.child.store(0, ordering: .sequentiallyConsistent)
    }

    /// Passes signals on from now on, and the one that came too early.
    static func relay(to process: pid_t) {
        Self.child.store(process, ordering: .sequentiallyConsistent)
        let signal = Self.early.exchange(0, ordering: .sequentiallyConsistent)
        if signal != 0 { kill(process, signal) }
    }

    /// Runs in a signal handler: nothing but atomics and kill(2).
    private static func handle(_ signal: Int32, isFromKernel: Bool) {
        let process = Self.child.load(ordering: .sequentiallyConsistent)
        if process == 0 {
            Self.early.store(signal, ordering: .sequentiallyConsistent)
            // The child may have come in between; whoever takes the signal out passes it on.
            let late = Self.child.load(ordering: .sequentiallyConsistent)
            guard late != 0 else { return }
            let signal = Self.early.exchange(0, ordering: .sequentiallyConsistent)
            if signal != 0 { kill(late, signal) }
        } else if !isFromKernel {
            // The terminal tells the whole process group.
            kill(process, signal)
        }
    }
}

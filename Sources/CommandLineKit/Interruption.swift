internal import Glibc
internal import Synchronization

/// SIGINT and SIGTERM, delivered to a closure on a thread of its own.
///
/// A signal that was ignored when the process started, as a shell does for commands in the background, stays ignored.
package final class Interruption: Sendable {
    private static let numbers = [SIGINT, SIGTERM]

    private let action = Mutex<(@Sendable () -> Void)?>(nil)

    /// Starts to listen; where that is impossible, signals end the process at once.
    package init() {
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let (reader, writer) = (ends[0], ends[1])
        guard self.startListener(reader) else {
            close(reader)
            close(writer)
            return
        }
        wakeFile.store(writer, ordering: .sequentiallyConsistent)
        for number in Self.numbers {
            var old = sigaction()
            sigaction(number, nil, &old)
            guard unsafeBitCast(old.__sigaction_handler.sa_handler, to: Int.self) != Self.ignored else { continue }
            var new = sigaction()
            new.__sigaction_handler.sa_handler = noteSignal
            new.sa_flags = SA_RESTART
            sigaction(number, &new, nil)
        }
    }

    /// `SIG_IGN` as the kernel knows it.
    private static let ignored = 1

    /// Says what is to be done on the first signal; the second one ends the process at once.
    package func onSignal(_ action: @escaping @Sendable () -> Void) {
        self.action.withLock { $0 = action }
    }

    private func startListener(_ reader: Int32) -> Bool {
        let listener = Unmanaged.passRetained(Listener(self, reader)).toOpaque()
        var thread = pthread_t()
        let status = pthread_create(
            &thread,
            nil,
            { listener in
                guard let listener else { return nil }
                Unmanaged<Listener>.fromOpaque(listener).takeRetainedValue().run()
                return nil
            },
            listener
        )
        if status != 0 { Unmanaged<Listener>.fromOpaque(listener).release() }
        return status == 0
    }

    /// What the thread needs to know.
    private final class Listener {
        private let owner: Interruption
        private let reader: Int32

        init(_ owner: Interruption, _ reader: Int32) {
            self.owner = owner
            self.reader = reader
        }

        func run() {
            var number: UInt8 = 0
            var isFirst = true
            while true {
                let count = read(self.reader, &number, 1)
                if count < 0, errno == EINTR { continue }
                guard count == 1 else { return }
                guard isFirst, let action = self.owner.action.withLock({ $0 }) else { _exit(128 + Int32(number)) }
                isFirst = false
                action()
            }
        }
    }
}

/// The pipe that wakes the listening thread; the only thing that a handler may touch.
private let wakeFile = Atomic<Int32>(-1)

/// Does only what is allowed wherever a signal may strike.
private func noteSignal(_ number: Int32) {
    let before = errno
    var byte = UInt8(truncatingIfNeeded: number)
    _ = write(wakeFile.load(ordering: .sequentiallyConsistent), &byte, 1)
    errno = before
}

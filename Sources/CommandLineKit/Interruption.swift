internal import Glibc
internal import Synchronization

/// SIGINT and SIGTERM, delivered to a closure on a thread of its own.
///
/// The signals are blocked in every thread that is started afterwards, so create it first.
package final class Interruption: Sendable {
    private let action = Mutex<(@Sendable () -> Void)?>(nil)

    /// Starts to listen.
    package init() {
        signal(SIGPIPE, SIG_IGN)
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &set, nil)
        let listener = Unmanaged.passRetained(self).toOpaque()
        var thread = pthread_t()
        let status = pthread_create(
            &thread,
            nil,
            { listener in
                guard let listener else { return nil }
                Unmanaged<Interruption>.fromOpaque(listener).takeRetainedValue().listen()
                return nil
            },
            listener
        )
        if status != 0 { Unmanaged<Interruption>.fromOpaque(listener).release() }
    }

    /// Says what is to be done on the first signal; the second one ends the process at once.
    package func onSignal(_ action: @escaping @Sendable () -> Void) {
        self.action.withLock { $0 = action }
    }

    private func listen() {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        var signal: Int32 = 0
        var isFirst = true
        while sigwait(&set, &signal) == 0 {
            guard isFirst, let action = self.action.withLock({ $0 }) else { _exit(128 + signal) }
            isFirst = false
            action()
        }
    }
}

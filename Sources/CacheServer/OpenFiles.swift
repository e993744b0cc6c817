internal import Glibc

/// The files, and so the connections, that the process may have open.
package enum OpenFiles {
    /// Raises the limit as far as the system lets it, and says what it is then.
    package static func raiseLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1_024 }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// The connections that leave enough files for what they ask for.
    package static func connections(_ wanted: Int, ofFiles files: Int) -> Int {
        max(1, min(wanted, files - min(files / 2, 256)))
    }
}

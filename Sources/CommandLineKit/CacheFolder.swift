internal import Glibc

/// Where clients keep what saves them time: `TARN_CACHE_DIR`, else `tarn` in `XDG_CACHE_HOME` or `~/.cache`.
package enum CacheFolder {
    /// The folder, created if it has to be; `nil` if there can be none, which only costs time.
    package static func prepare(environment: [String: String], home: String) -> String? {
        let path: String
        if let own = environment["TARN_CACHE_DIR"], own.hasPrefix("/") {
            path = own
        } else if let shared = environment["XDG_CACHE_HOME"], shared.hasPrefix("/") {
            path = "\(shared)/tarn"
        } else {
            path = "\(home)/.cache/tarn"
        }
        var made = ""
        for part in path.split(separator: "/") {
            made += "/\(part)"
            if mkdir(made, 0o700) != 0, errno != EEXIST { return nil }
        }
        return access(path, W_OK | X_OK) == 0 ? path : nil
    }
}

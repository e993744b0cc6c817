internal import CacheModel
internal import Glibc

/// Where a path that somebody names is, as a layer tells it: below the working directory, below `~`, or below `/`.
struct SavedPlace: Hashable, Sendable {
    /// The absolute folder.
    let anchor: String
    /// The path below it; `.` for the folder itself.
    let path: String

    /// Finds the place of a path of this process.
    ///
    /// - Throws: ``CommandFailure``.
    init(_ path: String) throws {
        let home = getenv("HOME").map { String(cString: $0) } ?? "/"
        try self.init(path, workingDirectory: try JobKeys.workingDirectory(), home: home)
    }

    /// Finds the place of a path.
    ///
    /// - Throws: ``CommandFailure`` if the path leads above the root or is empty.
    init(_ path: String, workingDirectory: String, home: String) throws {
        guard !path.isEmpty else { throw CommandFailure(.usage, "the path is empty") }
        var text = path
        if path == "~" || path.hasPrefix("~/") { text = home + path.dropFirst() }
        let absolute = Self.cleaned(text.hasPrefix("/") ? text : "\(workingDirectory)/\(text)")
        for anchor in [Self.cleaned(workingDirectory), Self.cleaned(home), "/"] {
            guard let rest = Self.rest(of: absolute, below: anchor) else { continue }
            self.anchor = anchor
            self.path = rest
            return
        }
        self.anchor = "/"
        self.path = "."
    }

    private static func rest(of path: String, below anchor: String) -> String? {
        if path == anchor { return "." }
        let start = anchor == "/" ? anchor : "\(anchor)/"
        return path.hasPrefix(start) ? String(path.dropFirst(start.count)) : nil
    }

    /// The absolute path without `.`, `..` and doubled slashes.
    private static func cleaned(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }
}

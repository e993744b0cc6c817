package import CacheModel

/// The folders that anchors stand for in one job.
package struct Places: Hashable, Sendable {
    /// The job's working directory.
    package var workdir: String
    /// The user's home directory.
    package var home: String

    /// Creates places from two absolute paths.
    package init(workdir: String, home: String) {
        self.workdir = Self.clean(workdir)
        self.home = Self.clean(home)
    }

    /// The absolute folder of an anchor.
    package func folder(of anchor: Anchor) -> String {
        switch anchor {
        case .workdir: self.workdir
        case .home: self.home
        case .root: "/"
        }
    }

    /// A path as a person writes it, as an anchor and the path below it.
    ///
    /// A relative path belongs to the working directory and `~` to the home directory. An absolute one belongs to
    /// whichever of these it lies below, so that the cache restores elsewhere, and to the root otherwise.
    package func locate(_ path: String) -> (anchor: Anchor, path: String) {
        let absolute: String
        if path == "~" || path.hasPrefix("~/") {
            absolute = Self.clean(self.home + "/" + path.dropFirst())
            if let below = Self.path(absolute, below: self.home) { return (.home, below) }
        } else {
            absolute = Self.clean(path.hasPrefix("/") ? path : self.workdir + "/" + path)
        }
        if let below = Self.path(absolute, below: self.workdir) { return (.workdir, below) }
        if let below = Self.path(absolute, below: self.home) { return (.home, below) }
        return (.root, absolute == "/" ? "." : String(absolute.dropFirst()))
    }

    /// The absolute path of a path as a person writes it.
    package func absolutePath(of path: String) -> String {
        let (anchor, below) = self.locate(path)
        return self.absolutePath(of: below, anchor: anchor)
    }

    /// The absolute path of a layer.
    package func absolutePath(of path: String, anchor: Anchor) -> String {
        let folder = self.folder(of: anchor)
        return path == "." ? folder : folder == "/" ? "/" + path : folder + "/" + path
    }

    private static func path(_ path: String, below folder: String) -> String? {
        if folder == "/" { return nil }
        if path == folder { return "." }
        return path.hasPrefix(folder + "/") ? String(path.dropFirst(folder.utf8.count + 1)) : nil
    }

    /// Takes `.`, `..` and doubled slashes out of an absolute path.
    private static func clean(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." {
                _ = parts.popLast()
            } else {
                parts.append(part)
            }
        }
        return "/" + parts.joined(separator: "/")
    }
}

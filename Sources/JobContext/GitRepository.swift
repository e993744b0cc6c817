/// What the files of a git repository say about its working tree; git itself is not run.
package struct GitRepository: Hashable, Sendable {
    /// The folder that contains `.git`.
    package var root: String
    /// The branch that is checked out; `nil` if none is.
    package var branch: String?
    /// The commit that is checked out; `nil` before the first one.
    package var revision: String?
    /// The URL of the remote `origin`, or of the first one, without user name and password.
    package var remote: String?

    /// Finds the repository that a folder belongs to.
    ///
    /// Follows `.git` files of worktrees and submodules. Not followed are `include` in the configuration, `url.….insteadOf`, and
    /// the reftable format, where branch and revision stay unknown.
    package static func find(from directory: String) -> Self? {
        var folder = directory
        while true {
            let dotGit = folder == "/" ? "/.git" : "\(folder)/.git"
            if let gitFolder = Self.gitFolder(dotGit, in: folder), SmallFile.read("\(gitFolder)/HEAD") != nil {
                return Self(root: folder, gitFolder: gitFolder)
            }
            guard let slash = folder.lastIndex(of: "/"), folder != "/" else { return nil }
            folder = slash == folder.startIndex ? "/" : String(folder[..<slash])
        }
    }

    private static func gitFolder(_ dotGit: String, in folder: String) -> String? {
        if SmallFile.isFolder(dotGit) { return dotGit }
        guard let text = SmallFile.read(dotGit, limit: 65_536), text.hasPrefix("gitdir:") else { return nil }
        return Self.absolute(SmallFile.trimmed(text.dropFirst(7)), from: folder)
    }

    private static func absolute(_ path: String, from folder: String) -> String {
        path.hasPrefix("/") ? path : "\(folder)/\(path)"
    }

    private init(root: String, gitFolder: String) {
        self.root = root
        // A worktree keeps HEAD to itself and shares the rest.
        let common = SmallFile.read("\(gitFolder)/commondir", limit: 65_536).map {
            Self.absolute(SmallFile.trimmed($0), from: gitFolder)
        }
        let shared = common ?? gitFolder
        self.remote = SmallFile.read("\(shared)/config").flatMap(Self.remoteURL).map(RemoteURL.withoutCredentials)
        var target = SmallFile.trimmed(SmallFile.read("\(gitFolder)/HEAD", limit: 65_536) ?? "")
        for step in 0..<5 {
            guard target.hasPrefix("ref:") else { break }
            let name = SmallFile.trimmed(target.dropFirst(4))
            guard Self.isSafe(name) else { return }
            if step == 0, name.hasPrefix("refs/heads/") { self.branch = String(name.dropFirst("refs/heads/".count)) }
            let loose =
                SmallFile.read("\(gitFolder)/\(name)", limit: 4_096)
                ?? SmallFile.read("\(shared)/\(name)", limit: 4_096)
            target = loose.map(SmallFile.trimmed) ?? Self.packed(name, in: shared) ?? ""
        }
        self.revision = Self.isRevision(target) ? target : nil
    }

    /// Whether a reference's name stays inside the repository; the reftable format's placeholder is refused too.
    private static func isSafe(_ name: String) -> Bool {
        name.hasPrefix("refs/") && name.split(separator: "/").allSatisfy { !$0.hasPrefix(".") }
    }

    private static func isRevision(_ text: String) -> Bool {
        (text.utf8.count == 40 || text.utf8.count == 64)
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
            }
    }

    private static func packed(_ name: String, in folder: String) -> String? {
        guard let text = SmallFile.read("\(folder)/packed-refs", limit: 64 * 1_048_576) else { return nil }
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 1)
            if parts.count == 2, parts[1].elementsEqual(name.utf8) { return String(Substring(parts[0])) }
        }
        return nil
    }

    /// The URL of `origin` in a git configuration, or of the first remote.
    static func remoteURL(_ configuration: String) -> String? {
        var remotes: [(name: String, url: String)] = []
        var remote: String?
        for line in configuration.split(whereSeparator: \.isNewline) {
            let line = SmallFile.trimmed(line)
            if line.hasPrefix("[") {
                let parts = line.dropFirst().split(separator: "\"", omittingEmptySubsequences: false)
                let isRemote = parts.count >= 3 && SmallFile.trimmed(parts[0]).lowercased() == "remote"
                remote = isRemote ? String(parts[1]) : nil
            } else if let name = remote, let equals = line.firstIndex(of: "=") {
                let isURL = SmallFile.trimmed(line[..<equals]).lowercased() == "url"
                if isURL { remotes.append((name, Self.value(line[line.index(after: equals)...]))) }
            }
        }
        return remotes.first { $0.name == "origin" }?.url ?? remotes.first?.url
    }

    private static func value(_ text: Substring) -> String {
        var value = ""
        var isQuoted = false
        var isEscaped = false
        for character in SmallFile.trimmed(text) {
            if isEscaped {
                value.append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
            } else if !isQuoted, character == "#" || character == ";" {
                break
            } else {
                value.append(character)
            }
        }
        return SmallFile.trimmed(value)
    }
}

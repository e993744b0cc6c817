package import CacheModel
internal import KeyTemplates

/// Turns addresses of repositories into project names.
package enum RemoteURL {
    /// The project that a repository's URL names: the path's parts without `.git`; the host does not matter.
    ///
    /// Understood are URLs with a scheme (`https://host/owner/name.git`), git's short form for ssh (`git@host:owner/name.git`) and
    /// local folders, which become `local/<folder>`.
    package static func project(_ url: String) -> ProjectName? {
        var text = url
        while text.hasSuffix("/") { text.removeLast() }
        if text.hasSuffix(".git") { text.removeLast(4) }
        guard let path = Self.path(text) else {
            return text.split(separator: "/").last.map { ProjectNames.local(String($0)) }
        }
        return ProjectNames.project(path: path)
    }

    /// The same URL without user name, password and query: tokens are often written into URLs.
    package static func withoutCredentials(_ url: String) -> String {
        let bare = url.split(whereSeparator: { $0 == "?" || $0 == "#" }).first.map(String.init) ?? ""
        guard let scheme = Self.schemeEnd(bare) else {
            // Only the short form can have a user here, and only before its colon.
            guard let colon = bare.firstIndex(of: ":"), let at = bare[..<colon].lastIndex(of: "@") else { return bare }
            return String(bare[bare.index(after: at)...])
        }
        let rest = bare[scheme...]
        let authority = rest.prefix { $0 != "/" }
        guard let at = authority.lastIndex(of: "@") else { return bare }
        return String(bare[..<scheme]) + String(bare[bare.index(after: at)...])
    }

    /// The index after `://`.
    private static func schemeEnd(_ text: String) -> String.Index? {
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else { return nil }
        return text.index(colon, offsetBy: 3)
    }

    /// The path on the host; `nil` for a local folder.
    private static func path(_ text: String) -> String? {
        if let start = Self.schemeEnd(text) {
            if text.lowercased().hasPrefix("file:") { return nil }
            let rest = text[start...]
            return rest.firstIndex(of: "/").map { String(rest[$0...]) }
        }
        guard let colon = text.firstIndex(of: ":"), !text[..<colon].contains("/") else { return nil }
        return String(text[text.index(after: colon)...])
    }
}

/// Makes project names of what other systems call their projects.
package enum ProjectNames {
    /// The project for a path of any depth: the first part owns it, and the others, joined by `--`, are its name.
    ///
    /// `acme/platform/backend/shop` becomes `acme/platform--backend--shop`. A path of one part belongs to `local`. Characters that a project
    /// name cannot have become `-`; a part of more than 100 bytes is cut and ends in 16 digits of its SHA-256.
    package static func project(path: String) -> ProjectName? {
        let parts = path.split(separator: "/")
        guard let first = parts.first else { return nil }
        if parts.count == 1 { return Self.local(String(first)) }
        return try? ProjectName(
            owner: Self.part(String(first)),
            name: Self.part(parts.dropFirst().joined(separator: "--"))
        )
    }

    /// The project of a folder that belongs to no remote: `local/<folder>`.
    package static func local(_ folder: String) -> ProjectName {
        do {
            return try ProjectName(owner: "local", name: Self.part(folder))
        } catch {
            preconditionFailure("A sanitised part is valid.")
        }
    }

    static func part(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            let isAllowed =
                scalar.isASCII
                && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil
                    || "._-".unicodeScalars.contains(scalar))
            result.unicodeScalars.append(isAllowed ? scalar : "-")
        }
        if result.isEmpty || result.hasPrefix(".") { result = "_" + result }
        guard result.utf8.count > 100 else { return result }
        return result.prefix(83) + "-" + KeyChecksum.digest(of: Array(text.utf8)).description.prefix(16)
    }
}

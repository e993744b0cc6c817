internal import CacheModel
internal import JobContext

/// A settings file: `url`, `project`, `scope`, `token-file`.
struct SettingsFile: Hashable, Sendable {
    private static let names = ["url", "project", "scope", "token-file"]

    var url: String?
    var project: String?
    var scope: String?
    var tokenFile: String?

    /// Reads a file; `nil` if there is none.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` that names the file and line.
    static func read(_ path: String) throws -> Self? {
        guard let text = try ProcessFacts.readText(path) else { return nil }
        do {
            return try Self(YAMLParser.parse(text))
        } catch {
            throw CacheError(.invalidRequest, "\(path), \(error)")
        }
    }

    init(_ node: YAMLNode) throws(YAMLError) {
        guard let pairs = node.pairs else {
            if node.isNull { return }
            throw YAMLError(line: node.line, "expected settings like 'url: http://127.0.0.1:7878'")
        }
        for pair in pairs {
            guard let value = pair.value.text else { throw YAMLError(line: pair.line, "'\(pair.key)' is a text") }
            switch pair.key {
            case "url": self.url = value
            case "project": self.project = value
            case "scope": self.scope = value
            case "token-file": self.tokenFile = value
            default:
                let known = Self.names.joined(separator: ", ")
                throw YAMLError(line: pair.line, "there is no setting '\(pair.key)'; there are \(known)")
            }
        }
    }
}

/// The settings files that there are.
struct SettingsFiles: Sendable {
    /// `.tarn.yml` of the working directory: whoever wrote the repository wrote this.
    private let project: (path: String, settings: SettingsFile)?
    /// `~/.config/tarn/config.yml`: the user's own.
    private let personal: (path: String, settings: SettingsFile)?

    /// Reads what is there.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` that names the file and line.
    init(environment: [String: String], directory: String, home: String) throws {
        func read(_ path: String) throws -> (path: String, settings: SettingsFile)? {
            try SettingsFile.read(path).map { (path, $0) }
        }
        let configuration = environment["XDG_CONFIG_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
        self.project = try read("\(directory)/.tarn.yml")
        self.personal = try read("\(configuration ?? "\(home)/.config")/tarn/config.yml")
    }

    /// The settings, those that win first.
    var all: [SettingsFile] { [self.project, self.personal].compactMap { $0?.settings } }

    /// The credential in the file that `token-file` names, if it is there.
    ///
    /// The user's own token does not go to a server that only the repository names: whoever writes a repository would
    /// otherwise get the token of everybody who runs something in it.
    ///
    /// - Parameters:
    ///   - home: The user's home directory.
    ///   - personalURL: The server's address, if a flag or the environment gives it.
    /// - Returns: `nil` if there is no token.
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` if the file holds anything but a token.
    func token(home: String, personalURL: String?) throws -> String? {
        let isNamedByProject = personalURL == nil && self.project?.settings.url != nil
        let isTrusted = !isNamedByProject || self.project?.settings.url == self.personal?.settings.url
        for (file, isUsable) in [(self.project, true), (self.personal, isTrusted)] {
            guard isUsable, let file, let name = file.settings.tokenFile else { continue }
            return try Self.readToken(Self.resolve(name, beside: file.path, home: home))
        }
        return nil
    }

    private static func resolve(_ name: String, beside file: String, home: String) -> String {
        if name.hasPrefix("/") { return name }
        if name.hasPrefix("~/") { return home + name.dropFirst() }
        return file.prefix(through: file.lastIndex(of: "/") ?? file.startIndex) + name
    }

    private static func readToken(_ path: String) throws -> String? {
        guard let words = try ProcessFacts.readText(path, limit: 65_536)?.split(whereSeparator: \.isWhitespace) else {
            return nil
        }
        guard words.count <= 1, words.allSatisfy({ $0.utf8.allSatisfy { (0x21...0x7e).contains($0) } }) else {
            throw CacheError(.invalidRequest, "\(path) holds more than a token; a token file holds one word")
        }
        return words.first.map(String.init)
    }
}

package import AccessPolicy
package import AccessRules
package import CacheModel
package import Logging
internal import Synchronization

/// The access file that is in force, and looks now and then whether there is another.
///
/// A file that is broken when the server starts stops it. One that breaks later is told in the log, and the last good
/// one stays in force.
package final class AccessFileWatch: Sendable {
    private struct State {
        var file = AccessFile()
        var stamp: FileStamp?
    }

    private static let maximumSize = 1_048_576

    private let path: String
    private let logger: Logger
    private let state: Mutex<State>

    /// Whether there is an access file.
    package var isThere: Bool { self.state.withLock { $0.stamp != nil } }

    /// Reads the file, if there is one.
    ///
    /// - Parameters:
    ///   - path: Where it is.
    ///   - isRequired: Whether it has to be there.
    ///   - logger: Is told what goes wrong later.
    /// - Throws: ``ConfigurationProblems``.
    package init(_ path: String, isRequired: Bool, logger: Logger) throws(ConfigurationProblems) {
        self.path = path
        self.logger = logger
        let stamp = FileStamp(of: path)
        guard stamp != nil || !isRequired else {
            throw ConfigurationProblems(problems: ["access: there is no file '\(path)'"])
        }
        self.state = Mutex(State(file: stamp == nil ? AccessFile() : try Self.read(path), stamp: stamp))
    }

    /// The rules of a project; asked for each request, so it never waits.
    package func rules(of project: ProjectName) -> ProjectRules { self.state.withLock { $0.file.rules(of: project) } }

    /// Whom to believe.
    package var identities: IdentityConfiguration { self.state.withLock { $0.file.identities } }

    /// Looks whether the file is another now, and puts it in force.
    ///
    /// A file that was removed leaves the last one in force: nobody loses protection by a slip.
    ///
    /// - Returns: Whether another one is in force now.
    package func refresh() -> Bool {
        let stamp = FileStamp(of: self.path)
        guard let stamp, stamp != self.state.withLock({ $0.stamp }) else { return false }
        do {
            let file = try Self.read(self.path)
            self.state.withLock { state in (state.file, state.stamp) = (file, stamp) }
            self.logger.notice("access file in force", metadata: ["path": "\(self.path)"])
            return true
        } catch {
            self.state.withLock { $0.stamp = stamp }
            self.logger.error(
                "the access file is broken; the one before stays in force",
                metadata: ["path": "\(self.path)", "error": "\(error)"]
            )
            return false
        }
    }

    private static func read(_ path: String) throws(ConfigurationProblems) -> AccessFile {
        let text: String
        do {
            text = try AtomicFile.read(path, limit: self.maximumSize)
        } catch {
            throw ConfigurationProblems(problems: ["\(error)"])
        }
        do {
            return try AccessFile(text, path: path)
        } catch {
            throw ConfigurationProblems(problems: error.problems)
        }
    }
}

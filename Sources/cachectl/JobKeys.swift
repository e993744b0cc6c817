@preconcurrency internal import Glibc
internal import CacheModel
internal import JobContext
internal import KeyTemplates

/// Expands key templates as the job around this process would.
struct JobKeys: Sendable {
    /// What the job knows about itself.
    let job: JobEnvironment
    /// What templates can refer to.
    let context: ExpansionContext

    /// Looks at the environment and the working directory.
    ///
    /// - Throws: `CacheError` with code `invalidRequest`, or ``CommandFailure``.
    init() throws {
        let environment = Self.environment
        self.job = try JobEnvironment.detect(environment: environment, directory: try Self.workingDirectory())
        self.context = self.job.expansionContext(environment: environment)
    }

    /// Expands a template.
    ///
    /// - Throws: ``CommandFailure`` with the offset of what is wrong, or the file that cannot be read.
    func expand(_ template: String) throws -> ExpandedKey {
        do {
            return try KeyTemplate(template).expand(in: self.context)
        } catch {
            let place = error.hint.map { "; \($0)" } ?? ""
            throw CommandFailure(Self.status(for: error), "\(error.description) (byte \(error.offset))\(place)")
        }
    }

    private static func status(for error: KeyTemplateError) -> CommandStatus {
        if case .unreadableFile = error.kind { return .failure }
        return .usage
    }

    /// How an entry of an expanded key came to be.
    func provenance(of key: ExpandedKey) -> Provenance {
        Provenance(
            template: key.template,
            parts: key.parts,
            files: key.files,
            branch: self.job.branch,
            revision: self.job.revision,
            build: self.job.buildNumber,
            system: self.job.system.rawValue
        )
    }

    /// The process's environment; of a name that is there twice the first counts, as it does for `getenv`.
    private static var environment: [String: String] {
        var variables: [String: String] = [:]
        var next = environ
        while let text = next.pointee.map({ String(cString: $0) }) {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2, variables[String(parts[0])] == nil { variables[String(parts[0])] = String(parts[1]) }
            next += 1
        }
        return variables
    }

    /// The absolute folder that this process runs in.
    ///
    /// - Throws: ``CommandFailure``.
    static func workingDirectory() throws -> String {
        guard let path = getcwd(nil, 0) else {
            throw CommandFailure(.failure, "the working directory is gone: \(String(cString: strerror(errno)))")
        }
        defer { free(path) }
        return String(cString: path)
    }
}

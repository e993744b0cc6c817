internal import CacheModel
internal import CommandLineKit
internal import JobContext
internal import KeyTemplates

/// Expands key templates as the job around this process would.
struct JobKeys: Sendable {
    /// What templates can refer to.
    let context: ExpansionContext

    /// Creates an expander for a job's settings.
    init(_ settings: Settings) { self.context = settings.context }

    /// Looks at the environment and the working directory, for commands that ask no server.
    ///
    /// - Throws: `CacheError` with code `invalidRequest`.
    init() throws {
        let environment = ProcessFacts.environment()
        let job = try JobEnvironment.detect(
            environment: environment,
            directory: try ProcessFacts.workingDirectory()
        )
        self.context = job.expansionContext(environment: environment)
    }

    /// Expands a template.
    ///
    /// - Throws: ``CommandFailure`` with the offset of what is wrong, or the file that cannot be read.
    func expand(_ template: String) throws -> ExpandedKey {
        do {
            return try KeyTemplate(template).expand(in: self.context)
        } catch {
            let hint = error.hint.map { "; \($0)" } ?? ""
            throw CommandFailure(Self.status(for: error), "\(error.description) (byte \(error.offset))\(hint)")
        }
    }

    private static func status(for error: KeyTemplateError) -> CommandStatus {
        if case .unreadableFile = error.kind { return .failure }
        return .usage
    }
}

internal import ArgumentParser
internal import CacheClient
internal import CacheModel
internal import CommandLineKit
internal import JobContext
internal import NativeAPI

/// `restore_cache`: brings back what an earlier job saved.
struct RestoreCache: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore_cache",
        abstract: "Restore the newest cache whose key starts with one of the given keys.",
        discussion: """
            Keys are templates in CircleCI's syntax: {{ .Branch }}, {{ .Revision }}, {{ .BuildNum }}, \
            {{ .Environment.NAME }}, {{ checksum "file" }}, {{ arch }}, {{ epoch }}. They are tried in order; the \
            first for which there is an entry wins. What is right on disk already is neither fetched nor written; the \
            rest is swapped into place at once, so that a path is the old tree or the new one and never a mix.

            Examples:
              restore_cache --key 'deps1-{{ .Branch }}-{{ checksum "requirements.txt" }}'
              restore_cache 'deps1-{{ .Branch }}-' deps1-        keys without flags
              restore_cache --key v1-main --match exact --to /tmp/out
              restore_cache --step step.yml                      a pasted restore_cache step
              restore_cache < step.yml
              restore_cache rel --require-signature any --trusted-key release.key.pub

            With --require-signature an entry is restored only if its signature is right, and made with a trusted key; \
            anything else is a miss, or with --strict a failure.

            \(JobExit.manual)
            """,
        version: ProgramVersion.text
    )

    @Option(help: ArgumentHelp("A key, as a template; may be given again.", valueName: "template"))
    var key: [String] = []

    @Argument(help: ArgumentHelp("More keys.", valueName: "key"))
    var keys: [String] = []

    @Option(help: ArgumentHelp("A file with CircleCI's restore_cache step; - for standard input.", valueName: "file"))
    var step: String?

    @Option(help: ArgumentHelp("Restore into this folder instead of where it was saved.", valueName: "dir"))
    var to: String?

    @Option(help: "How keys match: prefix or exact.", transform: RestoreCache.match)
    var match: KeyPattern.Match = .prefix

    @Flag(help: "Print one JSON object on standard output; the log goes to standard error.")
    var json = false

    @Flag(help: "Fail if the cache fails.")
    var strict = false

    @Flag(help: "Fail with 10 if nothing is restored.")
    var requireHit = false

    @Flag(help: "Say what would be done without doing it.")
    var dryRun = false

    @Flag(help: "On a miss, tell the whole story.")
    var explain = false

    @OptionGroup(title: "Trust") var trust: TrustOptions

    @OptionGroup(title: "Server") var connection: ConnectionOptions

    func run() async throws {
        let log = JobLog(usesErrorOutput: self.json)
        let templates: [String]
        do {
            templates = try self.templates()
        } catch {
            throw ValidationError("\(error)")
        }
        guard !templates.isEmpty else {
            throw ValidationError("there is no key; give one with --key, or a step with --step")
        }
        let report = RestoreReport(log: log, templates: templates, explains: self.explain, isDryRun: self.dryRun)
        var asked: CacheKey?
        do {
            let settings = try Settings.read(self.connection)
            let patterns = templates.map { template in
                settings.key(template, log: log).map {
                    ResolveRequest.Pattern(key: $0.key, match: self.match, provenance: $0.provenance)
                }
            }
            asked = patterns.compactMap { $0 }.first?.key
            let result = try await self.restore(patterns.compactMap { $0 }, settings, report)
            report.tell(result, usedTemplates: zip(templates, patterns).filter { $0.1 != nil }.map(\.0))
            if self.json { try Output().json(RestoreDocument(result, asked: asked, error: result?.refusal)) }
            if result?.refusal != nil, self.strict { throw ExitCode(JobExit.failure.rawValue) }
            if result?.hit == nil, self.requireHit { throw ExitCode(JobExit.miss.rawValue) }
        } catch let code as ExitCode {
            throw code
        } catch {
            try self.fail(error, asked: asked, log)
        }
    }

    private static func match(_ text: String) throws -> KeyPattern.Match {
        guard let match = KeyPattern.Match(rawValue: text) else {
            throw ValidationError("--match is prefix or exact, not '\(text)'")
        }
        return match
    }

    private func templates() throws -> [String] {
        let given = self.key + self.keys
        let step = try StepSource.read(self.step, kind: .restore, hasKeys: !given.isEmpty)
        return given + (step?.keys.map(\.template) ?? [])
    }

    private func restore(
        _ patterns: [ResolveRequest.Pattern],
        _ settings: Settings,
        _ report: RestoreReport
    ) async throws -> RestoreResult? {
        guard !patterns.isEmpty else { return nil }
        var request = RestoreJob.Request(keys: patterns, places: settings.places)
        request.target = self.to.map { settings.places.absolutePath(of: $0) }
        request.isDryRun = self.dryRun
        request.trust = try self.trust.policy()
        request.cacheDirectory = settings.cacheDirectory
        return try await settings.withClient("restore_cache") { [request] client in
            var request = request
            request.scope = settings.requestedScope(of: client)
            return try await RestoreJob(client: client, request: request, report: { report.tell($0) }).run()
        }
    }

    /// Tells what went wrong; ends well all the same unless the job wants to know.
    private func fail(_ error: any Error, asked: CacheKey?, _ log: JobLog) throws {
        log.endProgress()
        if error is CancellationError { throw error }
        let reason = JobExit.describe(error)
        log.complain("Error: \(reason)")
        if self.json { try Output().json(RestoreDocument(nil, asked: asked, error: reason)) }
        if self.strict { throw ExitCode(JobExit(for: error).rawValue) }
        if self.requireHit { throw ExitCode(JobExit.miss.rawValue) }
        log.complain("The job goes on without the cache.")
    }
}

@main
enum Main {
    static func main() async { await RestoreCache.runJob() }
}

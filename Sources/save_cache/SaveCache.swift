internal import ArgumentParser
internal import CacheClient
internal import CacheModel
internal import CommandLineKit
internal import JobContext
internal import Signatures

/// `save_cache`: saves what the next job wants back.
struct SaveCache: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save_cache",
        abstract: "Save paths under a key; only bytes that the server has never seen are uploaded.",
        discussion: """
            The key is a template in CircleCI's syntax (restore_cache --help lists the actions). A key that exists is \
            left as it is. Paths are relative to the working directory, to the home directory with ~/, or absolute; \
            one that does not exist is warned about.

            Examples:
              save_cache --key 'deps1-{{ .Branch }}-{{ checksum "requirements.txt" }}' --path venv
              save_cache --key v1-main --path /caches/app.tar --ttl 7d
              save_cache --key tools --path ~/.npm --path node_modules --replace
              save_cache --step step.yml                         a pasted save_cache step
              save_cache --key rel --path dist --sign-key release.key

            What seems to hold private keys, logins or tokens is not saved, as whoever may read the cache would get \
            them; each such file is named. --allow-secrets saves it all the same.

            \(JobExit.manual)
            """,
        version: ProgramVersion.text
    )

    @Option(help: ArgumentHelp("The key, as a template.", valueName: "template"))
    var key: String?

    @Option(help: ArgumentHelp("A directory or file to save; may be given again.", valueName: "path"))
    var path: [String] = []

    @Option(help: ArgumentHelp("A file with CircleCI's save_cache step; - for standard input.", valueName: "file"))
    var step: String?

    @Flag(help: "Put the entry in the place of one that has the key.")
    var replace = false

    @Option(help: ArgumentHelp("The entry expires after this time: 36h, 7d, 2w.", valueName: "time"))
    var ttl: String?

    @Flag(help: "Save even if there is nothing in the paths.")
    var allowEmpty = false

    @Flag(help: "Leave devices, sockets and pipes out instead of refusing to save.")
    var skipSpecial = false

    @Flag(help: "Save even if files seem to hold private keys, logins or tokens.")
    var allowSecrets = false

    @Option(
        help: ArgumentHelp(
            "Sign the entry with the key in this file. [TARN_SIGN_KEY: the file, or the key itself]",
            valueName: "file"
        )
    )
    var signKey: String?

    @Option(help: ArgumentHelp("The zstd level, 1 to 19.", valueName: "level"))
    var level = 3

    @Flag(help: "Print one JSON object on standard output; the log goes to standard error.")
    var json = false

    @Flag(help: "Fail if the cache fails.")
    var strict = false

    @OptionGroup(title: "Server") var connection: ConnectionOptions

    func validate() throws {
        guard (1...19).contains(self.level) else { throw ValidationError("--level is 1 to 19") }
        if let ttl = self.ttl, Quantity.duration(ttl) == nil {
            throw ValidationError("--ttl '\(ttl)' is no time; write 36h, 7d or 2w")
        }
    }

    func run() async throws {
        let log = JobLog(usesErrorOutput: self.json)
        let template: String
        let paths: [String]
        do {
            (template, paths) = try self.what()
        } catch {
            throw ValidationError("\(error)")
        }
        let settings: Settings
        let signingKey: SigningKey?
        do {
            settings = try Settings.read(self.connection)
            signingKey = try KeyFiles.signingKey(self.signKey)
        } catch {
            return try self.fail(error, key: nil, log)
        }
        guard let key = settings.key(template, log: log) else {
            if self.json { try Output().json(SaveDocument(refusedFor: "the key cannot be computed")) }
            if self.strict { throw ExitCode(JobExit.failure.rawValue) }
            return
        }
        var request = SaveJob.Request(
            key: key.key,
            provenance: key.provenance,
            paths: paths,
            places: settings.places
        )
        request.timeToLive = self.ttl.flatMap { Quantity.duration($0) }
        request.replaces = self.replace
        request.allowsEmpty = self.allowEmpty
        request.skipsSpecialFiles = self.skipSpecial
        request.allowsSecrets = self.allowSecrets
        request.signingKey = signingKey
        request.producer = settings.producer
        request.level = self.level
        request.cacheDirectory = settings.cacheDirectory
        try await self.save(request, settings, log)
    }

    private func what() throws -> (template: String, paths: [String]) {
        let step = try StepSource.read(self.step, kind: .save, hasKeys: self.key != nil)
        guard let template = self.key ?? step?.keys.first?.template else {
            throw CacheError(.invalidRequest, "there is no key; give one with --key, or a step with --step")
        }
        let paths = self.path + (step?.paths ?? [])
        guard !paths.isEmpty else {
            throw CacheError(.invalidRequest, "there is nothing to save; name it with --path")
        }
        return (template, paths)
    }

    private func save(_ request: SaveJob.Request, _ settings: Settings, _ log: JobLog) async throws {
        let report = SaveReport(log: log)
        let result: SaveResult
        do {
            result = try await settings.withClient("save_cache") { client in
                var request = request
                request.scope = settings.requestedScope(of: client)
                return try await SaveJob(client: client, request: request, report: { report.tell($0) }).run()
            }
            report.tell(result)
            if self.json { try Output().json(SaveDocument(result)) }
        } catch {
            return try self.fail(error, key: request.key, log)
        }
        if case .holdsSecrets = result.outcome {
            if self.strict { throw ExitCode(JobExit.failure.rawValue) }
            log.complain(Self.nothingSaved)
        }
    }

    private static let nothingSaved = "Nothing was saved. The job goes on without the cache."

    /// Tells what went wrong; ends well all the same unless the job wants to know.
    private func fail(_ error: any Error, key: CacheKey?, _ log: JobLog) throws {
        log.endProgress()
        if error is CancellationError { throw error }
        let reason = JobExit.describe(error)
        log.complain("Error: \(reason)")
        if self.json { try Output().json(SaveDocument(refusedFor: reason, key: key)) }
        if self.strict { throw ExitCode(JobExit(for: error).rawValue) }
        log.complain(Self.nothingSaved)
    }
}

@main
enum Main {
    static func main() async { await SaveCache.runJob() }
}

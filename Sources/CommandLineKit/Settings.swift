package import CacheClient
package import CacheModel
package import JobContext
package import KeyTemplates

/// Everything a client is told: flags first, then the environment, then `.tarn.yml`, then
/// `~/.config/tarn/config.yml`, then what the CI system says.
package struct Settings: Sendable {
    /// Where the server is.
    package var server: ServerAddress
    /// The project that keys belong to.
    package var project: ProjectName
    /// The scope to save in and restore from.
    package var scope: Scope
    /// The credential, if any.
    package var token: String?
    /// The proxy on the way to the server, if any.
    package var proxy: ProxyAddress?
    /// The authority that is trusted besides those of the system, if any.
    package var authority: PrivateAuthority?
    /// What is known about the job.
    package var job: JobEnvironment
    /// Where key templates are expanded.
    package var context: ExpansionContext
    /// Where stat caches are kept, if they can be kept.
    package var cacheDirectory: String?
    /// How long a transfer may stand still: `TARN_STALL_LIMIT`, such as `30s`.
    package var stallLimit: Duration?

    /// The server that is asked where nobody says which.
    package static let defaultURL = "http://127.0.0.1:7878"

    /// Reads all sources.
    ///
    /// - Parameters:
    ///   - options: The flags.
    ///   - environment: The environment variables.
    ///   - directory: The working directory.
    /// - Returns: The settings.
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` that names the setting and where it comes from.
    package static func read(
        _ options: ConnectionOptions,
        environment: [String: String] = ProcessFacts.environment(),
        directory: String? = nil
    ) throws -> Self {
        let directory = try directory ?? ProcessFacts.workingDirectory()
        var job = try JobEnvironment.detect(environment: environment, directory: directory)
        let files = try SettingsFiles(environment: environment, directory: directory, home: job.home)
        func setting(_ flag: String?, _ variable: String, _ path: KeyPath<SettingsFile, String?>) -> String? {
            if let flag { return flag }
            if let value = environment[variable], !value.isEmpty { return value }
            return files.all.lazy.compactMap { $0[keyPath: path] }.first
        }
        if let project = setting(options.project, "TARN_PROJECT", \.project) { job.project = try ProjectName(project) }
        if let scope = setting(options.scope, "TARN_SCOPE", \.scope) { job.scope = try Scope(scope) }
        let personalURL = options.url ?? environment["TARN_URL"].flatMap { $0.isEmpty ? nil : $0 }
        let token = environment["TARN_TOKEN"].flatMap { $0.isEmpty ? nil : $0 }
        let server = try ServerAddress(setting(options.url, "TARN_URL", \.url) ?? Self.defaultURL)
        return Self(
            server: server,
            project: job.project,
            scope: job.scope,
            token: try token ?? files.token(home: job.home, personalURL: personalURL),
            proxy: try ProxyAddress.find(for: server, in: environment),
            authority: try Self.authority(options.authorityFile ?? environment["TARN_CA_FILE"]),
            job: job,
            context: job.expansionContext(environment: environment),
            cacheDirectory: CacheFolder.prepare(environment: environment, home: job.home),
            stallLimit: try Self.stallLimit(environment["TARN_STALL_LIMIT"])
        )
    }

    /// Only flag and variable name it: a repository must not choose whom its jobs trust.
    private static func authority(_ path: String?) throws -> PrivateAuthority? {
        guard let path, !path.isEmpty else { return nil }
        return try PrivateAuthority(file: path)
    }

    private static func stallLimit(_ text: String?) throws -> Duration? {
        guard let text, !text.isEmpty else { return nil }
        guard let limit = Quantity.duration(text), limit > .zero else {
            throw CacheError(.invalidRequest, "TARN_STALL_LIMIT is '\(text)', expected a time such as 30s")
        }
        return limit
    }

    /// The folders of this job.
    package var places: Places { Places(workdir: self.job.workingDirectory, home: self.job.home) }

    /// A client for these settings; shut it down when it is no longer needed.
    package func makeClient(_ program: String) -> NativeClient {
        var options = NativeClient.Options()
        options.token = self.token
        options.proxy = self.proxy
        options.authority = self.authority
        if let limit = self.stallLimit { options.stallLimit = limit }
        options.userAgent = "\(program)/\(ProgramVersion.text)"
        return NativeClient(server: self.server, project: self.project, options: options)
    }

    /// Connects, calls `body`, and closes the connections.
    package func withClient<Value>(
        _ program: String,
        _ body: (NativeClient) async throws -> Value
    ) async throws -> Value {
        let client = self.makeClient(program)
        do {
            let value = try await body(client)
            await client.shutdown()
            return value
        } catch {
            await client.shutdown()
            throw error
        }
    }

    /// How a key came to be, for the entry's record and for explaining misses.
    package func provenance(of key: ExpandedKey) -> Provenance {
        Provenance(
            template: key.template,
            parts: key.parts,
            files: key.files,
            branch: self.job.branch,
            revision: self.job.revision,
            build: self.job.buildNumber,
            system: self.job.system.rawValue,
            host: ProcessFacts.hostName()
        )
    }
}

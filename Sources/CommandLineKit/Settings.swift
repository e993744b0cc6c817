package import CacheClient
package import CacheModel
package import JobContext
package import KeyTemplates
internal import NativeAPI

/// Everything a client is told: flags first, then the environment, then `.tarn.yml`, then
/// `~/.config/tarn/config.yml`, then what the CI system says.
package struct Settings: Sendable {
    /// Where the server is.
    package var server: ServerAddress
    /// The project that keys belong to.
    package var project: ProjectName
    /// The scope to save in and restore from.
    package var scope: Scope
    /// The scope that requests name; `nil` leaves it to the server, which knows it from the credential.
    package var namedScope: Scope?
    /// The credential, if any.
    package var token: String?
    /// Where the job's identity token is, if there is no credential but one.
    var identity: IdentitySource?
    /// Whom an identity token is for.
    var audience: String
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
        let namedScope = try setting(options.scope, "TARN_SCOPE", \.scope).map { try Scope($0) }
        if let namedScope { job.scope = namedScope }
        let personalURL = options.url ?? environment["TARN_URL"].flatMap { $0.isEmpty ? nil : $0 }
        let token =
            try environment["TARN_TOKEN"].flatMap { $0.isEmpty ? nil : $0 }
            ?? files.token(home: job.home, personalURL: personalURL)
        let server = try ServerAddress(setting(options.url, "TARN_URL", \.url) ?? Self.defaultURL)
        return Self(
            server: server,
            project: job.project,
            scope: job.scope,
            namedScope: namedScope,
            token: token,
            identity: token == nil ? IdentitySource.find(in: environment) : nil,
            audience: environment["TARN_AUDIENCE"].flatMap { $0.isEmpty ? nil : $0 } ?? server.description,
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
    private func makeClient(_ program: String, token: String?) -> NativeClient {
        var options = NativeClient.Options()
        options.token = token
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
        let session = try await self.exchangeIdentity(program)
        let client = self.makeClient(program, token: session ?? self.token)
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(client))
        } catch {
            result = .failure(error)
        }
        // A session ends by itself; whoever finds its token in a log shall not have that long.
        if session != nil { _ = await Task { try await client.endJobSession() }.result }
        await client.shutdown()
        return try result.get()
    }

    /// Exchanges the job's identity token, if it has one, for the token of a session.
    ///
    /// - Returns: `nil` if there is none to exchange, or the server needs none.
    private func exchangeIdentity(_ program: String) async throws -> String? {
        guard let identity = self.identity else { return nil }
        let client = self.makeClient(program, token: nil)
        let result: Result<String?, any Error>
        do {
            let token = try await identity.token(for: self.audience)
            result = .success(try await client.exchange(identity: token).token)
        } catch {
            result = .failure(error)
        }
        await client.shutdown()
        return try result.get()
    }

    /// The scope that requests name: with a credential only what somebody wrote down, as the server knows the rest.
    package func requestedScope(of client: NativeClient) -> Scope? {
        self.requestedScope(hasCredential: client.hasCredential)
    }

    /// The scope that requests name.
    package func requestedScope(hasCredential: Bool) -> Scope? { hasCredential ? self.namedScope : self.scope }

    /// What makes an entry, for its signature: the CI system and the build, or the host.
    package var producer: String {
        let words = [self.job.system.rawValue, self.job.buildNumber ?? ProcessFacts.hostName()].compactMap(\.self)
        return String(decoding: words.joined(separator: " ").utf8.prefix(256), as: UTF8.self)
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

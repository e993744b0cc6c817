internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit

/// The flags of every command that asks a server.
struct ServerOptions: ParsableArguments {
    @OptionGroup(title: "Server") var connection: ConnectionOptions

    @Flag(help: "Print one JSON document.")
    var json = false

    /// Connects, calls `body`, and closes the connections.
    func withSession<Result: Sendable>(_ body: (Session) async throws -> Result) async throws -> Result {
        let settings = try self.settings()
        // Lists show every scope unless somebody names one.
        let listedScope = self.connection.scope == nil ? nil : settings.scope
        return try await settings.withClient("cachectl") { client in
            let server = Server(client, scope: settings.requestedScope(of: client), listedScope: listedScope)
            return try await body(
                Session(server: server, settings: settings, output: Output(), wantsJSON: self.json, now: .current)
            )
        }
    }

    /// What flags, environment and settings files say.
    ///
    /// - Throws: ``CommandFailure``: wrong use.
    func settings() throws -> Settings {
        do {
            return try Settings.read(self.connection)
        } catch {
            throw CommandFailure(.usage, "\(error)")
        }
    }
}

/// What a command works with.
struct Session: Sendable {
    /// The server.
    let server: Server
    /// What the command was told, and what is known about the job.
    let settings: Settings
    /// Where the answer goes.
    let output: Output
    /// Whether the answer is one JSON document.
    let wantsJSON: Bool
    /// The moment that ages are told from.
    let now: Timestamp
}

/// A command that asks a server.
protocol ServerCommand: AsyncParsableCommand {
    var options: ServerOptions { get }

    /// Does the command's work.
    func run(with session: Session) async throws
}

extension ServerCommand {
    /// Connects and does the command's work.
    mutating func run() async throws {
        let command = self
        try await self.options.withSession { try await command.run(with: $0) }
    }
}

internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import NativeAPI

/// `cachectl token`.
struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Make, list and revoke the tokens that the server knows.",
        discussion: """
            The first token closes the server: from then on nobody is served without one. With --data the folder of a \
            server that is stopped is changed, by tarnd (the one beside this program, or the one in PATH).

            Examples:
              cachectl token create --role admin --name ann
              cachectl token create --name ci --projects acme/shop
              cachectl token list
              cachectl token revoke 4kQ2b7XyZ01a
              cachectl token create --data /var/lib/tarn --role admin --name ann
            """,
        subcommands: [CreateTokenCommand.self, ListTokensCommand.self, RevokeTokenCommand.self]
    )
}

/// `cachectl token create`.
struct CreateTokenCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a token and show it, this once.",
        discussion: """
            Roles: a job saves and restores in one scope; a developer reads what the default branch saved; an auditor \
            lists everything and reads no content; an admin does everything. --scope says which scope a job's token is \
            for: one such as branch/main or pr/42, asserted (the one that each request names, unless it is protected), \
            or asserted-with-protected; shared unless told otherwise.

            Examples:
              cachectl token create --name ci --projects acme/shop
              cachectl token create --name release --projects acme/shop --scope branch/main --ttl 30d
              cachectl token create --name jenkins --projects 'acme/*' --scope asserted
              cachectl token create --name dashboard --role auditor
            """
    )

    @Option(help: ArgumentHelp("What people call it. [the role]", valueName: "name"))
    var name: String?

    @Option(help: "job, developer, auditor or admin.")
    var role = "job"

    @Option(help: ArgumentHelp("owner/name, owner/* or *. [* for admin and auditor]", valueName: "pattern"))
    var projects: String?

    @Option(help: ArgumentHelp("An action it is limited to; may be given again.", valueName: "action"))
    var action: [String] = []

    @Option(help: ArgumentHelp("How long it lives. [90d]", valueName: "time"))
    var ttl: String?

    @Option(help: ArgumentHelp("The data folder of a server that is stopped.", valueName: "folder"))
    var data: String?

    @OptionGroup var options: ServerOptions

    private var tokenScope: String? { self.options.connection.scope }

    func validate() throws {
        guard self.projects != nil || ["admin", "auditor"].contains(self.role) else {
            throw ValidationError("--projects is missing; write --projects owner/name, or '*' for all")
        }
        if let ttl = self.ttl { _ = try Self.seconds(ttl) }
    }

    private static func seconds(_ text: String) throws -> Int {
        guard let duration = Quantity.duration(text), duration >= .seconds(1) else {
            throw ValidationError("--ttl '\(text)' is no time; write 36h, 7d or 90d")
        }
        return Int(duration.seconds)
    }

    mutating func run() async throws {
        if let data = self.data {
            var arguments = ["token", "create", "--data", data, "--role", self.role]
            for (flag, value) in [
                ("--name", self.name), ("--projects", self.projects), ("--scope", self.tokenScope), ("--ttl", self.ttl),
            ] {
                if let value { arguments += [flag, value] }
            }
            for action in self.action { arguments += ["--action", action] }
            if self.options.json { arguments.append("--json") }
            try SiblingProgram("tarnd").replaceProcess(arguments: arguments)
        }
        try await self.options.withSession { try await self.run(with: $0) }
    }

    func run(with session: Session) async throws {
        let wish = MakeTokenRequest(
            name: self.name ?? self.role,
            role: self.role,
            projects: self.projects ?? "*",
            scope: self.tokenScope,
            actions: self.action.isEmpty ? nil : self.action,
            ttlSeconds: try self.ttl.map(Self.seconds)
        )
        let made = try await session.server.makeToken(wish)
        if session.wantsJSON { return try session.output.json(made) }
        let token = made.description
        try session.output.lines([
            "token \(token.id) '\(token.name)', until \(token.expiresAt)", "It is shown this once:",
            "  export TARN_TOKEN=\(made.token)",
        ])
    }
}

/// `cachectl token list`.
struct ListTokensCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List all tokens, also those that have ended; no secrets."
    )

    @Option(help: ArgumentHelp("The data folder of a server that is stopped.", valueName: "folder"))
    var data: String?

    @OptionGroup var options: ServerOptions

    mutating func run() async throws {
        if let data = self.data {
            let json = self.options.json ? ["--json"] : []
            try SiblingProgram("tarnd").replaceProcess(arguments: ["token", "list", "--data", data] + json)
        }
        try await self.options.withSession { try await self.run(with: $0) }
    }

    func run(with session: Session) async throws {
        let response = try await session.server.tokens()
        if session.wantsJSON { return try session.output.json(response) }
        var table = OutputTable([
            .text("ID"), .flexible("NAME"), .text("ROLE"), .text("PROJECTS"), .text("SCOPE"), .text("STATE"),
            .text("UNTIL"), .text("LAST USED"),
        ])
        for token in response.tokens {
            table.add([
                token.id, token.name, token.role, token.projects, token.role == "job" ? token.scope : "",
                token.state(at: session.now), "\(token.expiresAt)", token.lastUsedAt.map { "\($0)" } ?? "never",
            ])
        }
        try session.output.table(table)
    }
}

/// `cachectl token revoke`.
struct RevokeTokenCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Revoke a token, at once and for ever."
    )

    @Argument(help: ArgumentHelp("The token's public identifier: its second part.", valueName: "id"))
    var id: String

    @Option(help: ArgumentHelp("The data folder of a server that is stopped.", valueName: "folder"))
    var data: String?

    @OptionGroup var options: ServerOptions

    mutating func run() async throws {
        if let data = self.data {
            try SiblingProgram("tarnd").replaceProcess(arguments: ["token", "revoke", "--data", data, self.id])
        }
        try await self.options.withSession { try await self.run(with: $0) }
    }

    func run(with session: Session) async throws {
        let token = try await session.server.revokeToken(self.id)
        if session.wantsJSON { return try session.output.json(token) }
        try session.output.line("token \(token.id) '\(OutputText.escaped(token.name))' is revoked")
    }
}

internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import NativeAPI

/// `cachectl whoami`.
struct WhoAmICommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "whoami",
        abstract: "Show who the server takes you for, where saves go and where restores look.",
        discussion: """
            Examples:
              cachectl whoami
              cachectl whoami --project acme/shop --scope pr/42
            """
    )

    @OptionGroup var options: ServerOptions

    func run(with session: Session) async throws {
        let answer = try await session.server.whoAmI()
        if session.wantsJSON { return try session.output.json(answer) }
        try session.output.table(OutputTable(details: answer.details))
    }
}

/// `cachectl policy`.
struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Ask what the server's rules say.",
        subcommands: [ExplainCommand.self]
    )
}

/// `cachectl policy explain`.
struct ExplainCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say whether something is allowed, and by which rule; nothing is done.",
        discussion: """
            About yourself, about a token (--token, for administrators), about a job (--branch, --tag or --pr, for \
            administrators and auditors), or about the claims of an identity token (--claims and --issuer, for the same). Actions: read, list, save, replace, remove, pin, audit, administer.

            Examples:
              cachectl policy explain save --scope branch/main
              cachectl policy explain save --scope branch/main --pr 42 --fork
              cachectl policy explain read --token 4kQ2b7XyZ01a
              cachectl policy explain save --claims claims.json --issuer github
              cachectl policy explain administer --server

            Exit status: 0 if it is allowed, 12 if it is not.
            """
    )

    @Argument(help: ArgumentHelp("The action.", valueName: "action"))
    var action: String

    @Flag(help: "About the whole server instead of the project.")
    var server = false

    @Option(help: ArgumentHelp("About this token: its public identifier.", valueName: "id"))
    var token: String?

    @Option(help: ArgumentHelp("About a job of this branch.", valueName: "branch"))
    var branch: String?

    @Option(help: ArgumentHelp("About a job of this tag.", valueName: "tag"))
    var tag: String?

    @Option(help: ArgumentHelp("About a job of this pull or merge request.", valueName: "number"))
    var pr: String?

    @Option(help: ArgumentHelp("The branch that the pull request is made against.", valueName: "branch"))
    var base: String?

    @Flag(help: "The pull request comes from a fork.")
    var fork = false

    @Flag(help: "Somebody from outside may have started the job.")
    var untrusted = false

    @Option(help: ArgumentHelp("About a job whose identity token has these claims, a JSON object.", valueName: "file"))
    var claims: String?

    @Option(help: ArgumentHelp("The issuer of the claims, as the access file names it.", valueName: "name"))
    var issuer: String?

    @OptionGroup var options: ServerOptions

    func run(with session: Session) async throws {
        let isAboutJob = self.branch != nil || self.tag != nil || self.pr != nil
        let project = session.server.project
        let question = ExplainRequest(
            action: self.action,
            project: self.server ? nil : project,
            scope: try self.options.connection.scope.map { try Scope($0) },
            token: self.token,
            job: isAboutJob
                ? ExplainRequest.Job(
                    project: project,
                    branch: self.branch,
                    tag: self.tag,
                    pullRequest: self.pr,
                    base: self.base,
                    isFork: self.fork ? true : nil,
                    isTrusted: self.untrusted ? false : nil
                ) : nil,
            claims: try self.claims.map { try TextFile.read($0) },
            issuer: self.issuer
        )
        let answer = try await session.server.explain(question)
        if session.wantsJSON {
            try session.output.json(answer)
        } else {
            let verdict = answer.isAllowed ? "allowed" : "denied"
            try session.output.line("\(verdict) by \(answer.rule): \(OutputText.escaped(answer.reason))")
            try session.output.table(OutputTable(details: answer.principal.details))
        }
        if !answer.isAllowed { throw CommandFailure(.notAuthorized) }
    }
}

extension WhoAmIResponse {
    /// Labels and values for people.
    var details: [(label: String, value: String)] {
        var rows = [
            (label: "name", value: self.name), (label: "tier", value: "\(self.tier) (\(self.rule))"),
            (label: "projects", value: self.projects),
            (label: "actions", value: self.actions.joined(separator: ", ")),
        ]
        guard let project = self.project else { return rows }
        rows.append((label: "project", value: "\(project)" + (self.mode.map { " (\($0))" } ?? "")))
        rows.append((label: "saves go to", value: self.scope?.text ?? "nowhere"))
        let chain = self.readChain?.map(\.text).joined(separator: ", ") ?? ""
        rows.append((label: "restores look in", value: chain.isEmpty ? "nothing" : chain))
        return rows
    }
}

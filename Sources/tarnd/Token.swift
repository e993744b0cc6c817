internal import ArgumentParser
internal import CacheModel
internal import CacheServer
internal import NativeAPI

/// Makes, lists and revokes tokens in the folder of a server that is stopped.
enum Token {
    /// Starts the subcommand that the arguments name.
    static func start(_ arguments: ArraySlice<String>) async {
        switch arguments.first {
        case "create": await Create.start(arguments.dropFirst())
        case "list": await List.start(arguments.dropFirst())
        case "revoke": await Revoke.start(arguments.dropFirst())
        default: await Overview.start(arguments)
        }
    }

    /// What is printed instead of a wrong or missing subcommand.
    struct Overview: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "tarnd token",
            abstract: "Makes, lists and revokes the tokens of a stopped server.",
            discussion: """
                The first token closes the server: from then on nobody is served without one. While the server runs, \
                cachectl token does the same over HTTP.

                SEE ALSO
                  tarnd token create --help
                  tarnd token list --help
                  tarnd token revoke --help
                """
        )

        func run() async throws { throw ValidationError("say what to do: create, list or revoke") }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "tarnd token create",
            abstract: "Makes a token and shows it, this once.",
            discussion: """
                EXAMPLES
                  tarnd token create --data /var/lib/tarn --role admin --name ann
                  tarnd token create --data /var/lib/tarn --name ci --projects acme/shop
                  tarnd token create --data /var/lib/tarn --name jenkins --projects 'acme/*' --scope asserted
                """
        )

        @Option(name: .long, help: ArgumentHelp("the data folder", valueName: "DIR"))
        var data: String

        @Option(name: .long, help: ArgumentHelp("what people call it (default: the role)", valueName: "NAME"))
        var name: String?

        @Option(name: .long, help: ArgumentHelp("job, developer, auditor or admin", valueName: "ROLE"))
        var role = "job"

        @Option(
            name: .long,
            help: ArgumentHelp("owner/name, owner/* or * (default: * for admin and auditor)", valueName: "PATTERN")
        )
        var projects: String?

        @Option(
            name: .long,
            help: ArgumentHelp(
                "for jobs: a scope, asserted or asserted-with-protected (default: shared)",
                valueName: "SCOPE"
            )
        )
        var scope: String?

        @Option(
            name: .long,
            parsing: .upToNextOption,
            help: ArgumentHelp("what it is limited to (default: all that the role may)", valueName: "ACTION")
        )
        var action: [String] = []

        @Option(name: .long, help: ArgumentHelp("how long it lives (default: 90d)", valueName: "TIME"))
        var ttl: String?

        @Flag(name: .long, help: "print the result as JSON")
        var json = false

        func run() async throws {
            let wish = MakeTokenRequest(
                name: self.name ?? self.role,
                role: self.role,
                projects: try self.pattern(),
                scope: self.scope,
                actions: self.action.isEmpty ? nil : self.action,
                ttlSeconds: try self.seconds()
            )
            let made = try await FolderTokens.make(wish, in: self.data)
            if self.json { return print(try FolderTokens.json(made)) }
            print("token \(made.description.id) '\(made.description.name)', until \(made.description.expiresAt)")
            print("It is shown this once:")
            print("  export TARN_TOKEN=\(made.token)")
        }

        private func pattern() throws -> String {
            if let projects = self.projects { return projects }
            guard ["admin", "auditor"].contains(self.role) else {
                throw ValidationError("--projects is missing; write --projects owner/name, or '*' for all")
            }
            return "*"
        }

        private func seconds() throws -> Int? {
            guard let ttl = self.ttl else { return nil }
            guard let duration = Quantity.duration(ttl), duration >= .seconds(1) else {
                throw ValidationError("--ttl '\(ttl)' is no time; write 36h, 7d or 90d")
            }
            return Int(duration.seconds)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "tarnd token list",
            abstract: "Lists all tokens, also those that have ended; no secrets."
        )

        @Option(name: .long, help: ArgumentHelp("the data folder", valueName: "DIR"))
        var data: String

        @Flag(name: .long, help: "print the result as JSON")
        var json = false

        func run() async throws {
            let tokens = try await FolderTokens.list(self.data)
            if self.json { return print(try FolderTokens.json(TokensResponse(tokens: tokens))) }
            if tokens.isEmpty { print("no tokens") }
            for token in tokens {
                print(
                    "\(token.id)  \(token.name)  \(token.role)  \(token.projects)  \(token.scope)  "
                        + "\(token.state(at: .current))  until \(token.expiresAt)"
                )
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "tarnd token revoke",
            abstract: "Revokes a token for ever."
        )

        @Option(name: .long, help: ArgumentHelp("the data folder", valueName: "DIR"))
        var data: String

        @Argument(help: ArgumentHelp("the token's public identifier: its second part", valueName: "ID"))
        var id: String

        func run() async throws {
            let token = try await FolderTokens.revoke(self.id, in: self.data)
            print("token \(token.id) '\(token.name)' is revoked")
        }
    }
}

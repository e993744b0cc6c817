internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import LayerKernels

/// `cachectl audit`.
struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Read the log of what was done to the cache, and check that nobody changed it.",
        subcommands: [AuditListCommand.self, AuditHeadCommand.self, AuditVerifyCommand.self]
    )
}

/// `cachectl audit list`.
struct AuditListCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Print the rows of the log, oldest first.",
        discussion: """
            Examples:
              cachectl audit list                  what concerns the project
              cachectl audit list --server         all projects, tokens, starts and stops
              cachectl audit list --after 1200 --json | jq '.rows[] | select(.actor != "server")'
            """
    )

    @Flag(help: "The rows of all projects, and those that concern none.")
    var server = false

    @Option(help: ArgumentHelp("Only rows with greater numbers.", valueName: "row"))
    var after: Int64 = 0

    @Option(help: ArgumentHelp("The most rows.", valueName: "count"))
    var limit: Int?

    @OptionGroup var options: ServerOptions

    func validate() throws {
        guard self.after >= 0 else { throw ValidationError("--after is 0 or the number of a row") }
        guard self.limit ?? 1 > 0 else { throw ValidationError("--limit is 1 or more") }
    }

    func run(with session: Session) async throws {
        let rows = try await self.rows(from: session.server)
        if session.wantsJSON { return try session.output.json(Document(rows: rows)) }
        try session.output.table(Self.table(of: rows, withProjects: self.server))
    }

    private func rows(from server: Server) async throws -> [AuditRow] {
        var rows: [AuditRow] = []
        var last = self.after
        while rows.count < self.limit ?? .max {
            let page = try await server.audit(
                ofProject: !self.server,
                after: last,
                limit: min(1_000, (self.limit ?? .max) - rows.count)
            )
            guard let end = page.rows.last, end.sequence > last else { break }
            rows += page.rows
            last = end.sequence
        }
        return rows
    }

    static func table(of rows: [AuditRow], withProjects: Bool) -> OutputTable {
        var columns: [OutputTable.Column] = [.number("ROW"), .text("TIME"), .text("ACTOR"), .text("ACTION")]
        if withProjects { columns.append(.text("PROJECT")) }
        columns += [.text("SCOPE"), .flexible("KEY"), .number("ENTRY"), .number("SIZE"), .text("DETAIL")]
        var table = OutputTable(columns)
        for row in rows {
            let event = row.event
            var cells = ["\(row.sequence)", "\(event.at)", event.actor, event.action.rawValue]
            if withProjects { cells.append(event.project) }
            cells += [
                event.scope, event.key, event.entry.map { "\($0)" } ?? "",
                event.bytes.map { Quantity.describe(bytes: Int($0)) } ?? "", event.detail,
            ]
            table.add(cells)
        }
        return table
    }

    private struct Document: Encodable {
        var rows: [AuditRow]
    }
}

/// `cachectl audit head`.
struct AuditHeadCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "head",
        abstract: "Print the number and the hash of the last row, to be kept where the server cannot change it.",
        discussion: """
            Examples:
              cachectl audit head >> /var/backups/tarn-audit-heads
            """
    )

    @OptionGroup var options: ServerOptions

    func run(with session: Session) async throws {
        let head = try await session.server.auditHead()
        if session.wantsJSON { return try session.output.json(head) }
        try session.output.line("\(head.sequence) \(head.hash)")
    }
}

/// `cachectl audit verify`.
struct AuditVerifyCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read the whole log and recompute its chain here; name the first row that is wrong.",
        discussion: """
            Every row has a hash over its content and the hash of the row before it. Whoever can write the server's \
            database can make a whole new chain, or cut off its end, so keep a head elsewhere and compare: --head \
            takes the hash that 'cachectl audit head' printed. If the server is stopped, --data names its folder, and \
            tarnd checks it (the tarnd beside this program, or the one in PATH).

            Examples:
              cachectl audit verify
              cachectl audit verify --head 5f0c…
              cachectl audit verify --data /var/lib/tarn

            Exit status: 0 if all rows follow from each other, 1 if one is missing, changed or in the wrong place; \
            with --data 2 if the log cannot be read.
            """
    )

    @Option(help: ArgumentHelp("The hash of a head that was seen earlier.", valueName: "hash"))
    var head: String?

    @Option(help: ArgumentHelp("The data folder of a server that is stopped.", valueName: "folder"))
    var data: String?

    @OptionGroup var options: ServerOptions

    func validate() throws {
        if let head = self.head, (try? Digest(hex: head)) == nil {
            throw ValidationError("--head is a hash of 64 lowercase hexadecimal digits, not '\(head)'")
        }
    }

    mutating func run() async throws {
        if let data = self.data {
            let head = self.head.map { ["--head", $0] } ?? []
            try SiblingProgram("tarnd").replaceProcess(
                arguments: ["audit", "verify", "--data", data] + head + (self.options.json ? ["--json"] : [])
            )
        }
        let command = self
        try await self.options.withSession { try await command.run(with: $0) }
    }

    func run(with session: Session) async throws {
        let verdict = try await AuditVerdict.check(remembered: self.head.map { try Digest(hex: $0) }) { last in
            try await session.server.audit(ofProject: false, after: last, limit: 1_000)
        }
        if session.wantsJSON {
            try session.output.json(verdict)
        } else {
            try session.output.lines(verdict.report)
        }
        if verdict.problem != nil { throw CommandFailure(.failure) }
    }
}

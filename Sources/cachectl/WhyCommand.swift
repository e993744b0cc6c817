internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import KeyTemplates
internal import NativeAPI

/// `cachectl why`.
struct WhyCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Explain why a key is found or not.",
        discussion: """
            Tells whether there is an entry; if not, when and why it went, which entry comes nearest and what differs, \
            and what a restore with the key as a prefix would take. A key with '{{' in it is a template and is \
            expanded here first; then the differing files and lines can be named too. Nothing is counted as a restore.

            Examples:
              cachectl why deps1-main-k3v9
              cachectl why 'deps1-{{ .Branch }}-{{ checksum "requirements.txt" }}'

            The exit status is 0 whether the key is found or not: the question was answered.
            """
    )

    @Argument(help: "The key, or the template it comes from.")
    var key: String

    @Option(help: ArgumentHelp("Show no more than this many events of its history.", valueName: "count"))
    var limit = 20

    @OptionGroup var options: ServerOptions

    func validate() throws {
        if self.limit < 1 { throw ValidationError("--limit is \(self.limit); give a number from 1 on") }
    }

    func run(with session: Session) async throws {
        let question = try Question(self.key, session)
        let exact = try await session.server.resolve(question.pattern(.exact))
        let byPrefix = exact.entry == nil ? try await session.server.resolve(question.pattern(.prefix)) : exact
        let history = try await session.server.history(of: question.key, limit: self.limit)
        let answer = Answer(
            key: question.key,
            found: exact.entry != nil,
            entry: exact.entry,
            prefixEntry: exact.entry == nil ? byPrefix.entry : nil,
            explanation: exact.explanations?.first ?? byPrefix.explanations?.first,
            events: history.events
        )
        if session.wantsJSON { return try session.output.json(answer) }
        try answer.print(session)
    }

    /// The key, and the template it was made from.
    private struct Question {
        let key: CacheKey
        private let provenance: Provenance?

        init(_ text: String, _ session: Session) throws {
            guard text.contains("{{") else {
                self.key = try CacheKey(text)
                self.provenance = nil
                return
            }
            let expanded = try JobKeys(session.settings).expand(text)
            self.key = try expanded.cacheKey()
            self.provenance = session.settings.provenance(of: expanded)
        }

        func pattern(_ match: KeyPattern.Match) -> ResolveRequest.Pattern {
            .init(key: self.key, match: match, provenance: self.provenance)
        }
    }

    private struct Answer: Encodable {
        var key: CacheKey
        var found: Bool
        var entry: Entry?
        /// What a restore with the key as a prefix takes.
        var prefixEntry: Entry?
        var explanation: MissExplanation?
        var events: [HistoryResponse.Event]

        func print(_ session: Session) throws {
            if let entry = self.entry {
                let ago = EntryText.ago(entry.createdAt, at: session.now)
                let size = Quantity.describe(bytes: entry.size)
                try self.say("there is an entry '\(entry.key)': \(size), saved \(ago)", session)
                let state = EntryText.state(of: entry, at: session.now)
                if !state.isEmpty { try self.say("it is \(state)", session) }
            } else {
                try self.say("there is no entry '\(self.key)'", session)
                if let explanation = self.explanation { try self.print(explanation, session) }
                if let entry = self.prefixEntry {
                    let text = "as a prefix it finds '\(entry.key)': \(Quantity.describe(bytes: entry.size)), saved "
                    try self.say(text + EntryText.ago(entry.createdAt, at: session.now), session)
                } else {
                    try self.say("as a prefix it finds nothing either", session)
                }
            }
            guard !self.events.isEmpty else { return try self.say("nothing is known of its past", session) }
            var table = OutputTable([.text("WHEN"), .text("WHAT"), .flexible("KEY"), .text("DETAIL")])
            for event in self.events { table.add([event.at.description, event.kind, event.key.text, event.detail]) }
            try session.output.line("")
            try session.output.table(table)
        }

        private func print(_ explanation: MissExplanation, _ session: Session) throws {
            try self.say(explanation.summary, session)
            for detail in explanation.details { try self.say("  \(detail)", session) }
        }

        private func say(_ text: String, _ session: Session) throws {
            try session.output.line(OutputText.escaped(text))
        }
    }
}

internal import ArgumentParser
internal import CommandLineKit
internal import JobContext
internal import KeyTemplates

/// `cachectl lint`.
struct LintCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lint",
        abstract: "Check the cache steps of a CircleCI config.",
        discussion: """
            Shows what each key expands to here, and tells about keys that change with every job, keys that start \
            cold on each branch, prefixes that match too much, missing files, and saves that nothing restores. No \
            server is asked.

            Examples:
              cachectl lint .circleci/config.yml
              cachectl lint --json .circleci/config.yml | jq '.findings[] | select(.severity == "error")'

            Exit status: 0 if there are no errors (warnings and notes do not count), 1 if there are.
            """
    )

    @Argument(help: "The config; '-' is the standard input.")
    var file = ".circleci/config.yml"

    @Flag(help: "Print one JSON document.")
    var json = false

    func run() async throws {
        let text = try TextFile.read(self.file)
        let lint: ConfigLint
        do {
            lint = try ConfigLint(text, in: try JobKeys().context)
        } catch let error as YAMLError {
            throw CommandFailure(.failure, "\(self.file): \(error)")
        }
        let output = Output()
        if self.json {
            try output.json(Document(self.file, lint))
        } else {
            try output.lines(self.report(lint))
        }
        if lint.worst == .error { throw CommandFailure(.failure) }
    }

    private func report(_ lint: ConfigLint) -> [String] {
        var lines: [String] = []
        for step in lint.steps {
            lines.append("\(self.file):\(step.line): \(step.kind.rawValue) in \(step.owner)")
            for key in step.keys {
                lines.append("    \(key.template) = \(key.expanded ?? "(cannot be expanded here)")")
            }
        }
        for finding in lint.findings {
            let rule = finding.finding
            let place = "\(self.file):\(finding.line)"
            lines.append("\(place): \(rule.severity.rawValue): \(rule.message) [\(rule.rule), \(finding.owner)]")
        }
        lines.append(Self.summary(of: lint))
        return lines.map { OutputText.escaped($0) }
    }

    private static func summary(of lint: ConfigLint) -> String {
        func count(_ severity: LintFinding.Severity) -> Int {
            lint.findings.count { $0.finding.severity == severity }
        }
        let steps = OutputText.count(lint.steps.count, "cache step", "cache steps")
        let errors = OutputText.count(count(.error), "error", "errors")
        let warnings = OutputText.count(count(.warning), "warning", "warnings")
        return "\(steps), \(errors), \(warnings), \(OutputText.count(count(.note), "note", "notes"))"
    }

    private struct Document: Encodable {
        struct Step: Encodable {
            struct Key: Encodable {
                var template: String
                var line: Int
                var expanded: String?
            }

            var kind: String
            var owner: String
            var line: Int
            var keys: [Key]
            var paths: [String]
        }

        struct Finding: Encodable {
            var severity: String
            var rule: String
            var message: String
            var owner: String
            var line: Int
        }

        var file: String
        var steps: [Step]
        var findings: [Finding]

        init(_ file: String, _ lint: ConfigLint) {
            self.file = file
            self.steps = lint.steps.map { step in
                let keys = step.keys.map { Step.Key(template: $0.template, line: $0.line, expanded: $0.expanded) }
                return Step(kind: step.kind.rawValue, owner: step.owner, line: step.line, keys: keys, paths: step.paths)
            }
            self.findings = lint.findings.map { item in
                Finding(
                    severity: item.finding.severity.rawValue,
                    rule: item.finding.rule,
                    message: item.finding.message,
                    owner: item.owner,
                    line: item.line
                )
            }
        }
    }
}

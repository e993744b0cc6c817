internal import ArgumentParser
internal import CacheModel
internal import CommandLineKit
internal import KeyTemplates

/// `cachectl key`.
struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Expand key templates here, as a job would.",
        discussion: """
            Prints one key for each template, and warnings on the standard error: parts without a value, keys that \
            change with every job. No server is asked.

            Examples:
              cachectl key 'deps1-{{ .Branch }}-{{ checksum "requirements.txt" }}'
              cachectl key --json 'deps1-{{ arch }}' | jq '.keys[0].parts'
            """
    )

    @Argument(help: "Templates in CircleCI's grammar.")
    var templates: [String]

    @Flag(help: "Print one JSON document.")
    var json = false

    func run() async throws {
        let job = try JobKeys()
        let output = Output()
        let keys = try self.templates.map { try job.expand($0) }
        for key in keys { _ = try key.cacheKey() }
        if self.json { return try output.json(Document(keys: keys.map(Document.Key.init))) }
        for key in keys {
            for warning in key.warnings { Messages.warn(warning) }
            try output.line(OutputText.escaped(key.text))
        }
    }

    private struct Document: Encodable {
        struct Key: Encodable {
            var template: String
            var key: String
            var parts: [Provenance.Part]
            var files: [Provenance.ChecksummedFile]
            var warnings: [String]

            init(_ key: ExpandedKey) {
                self.template = key.template
                self.key = key.text
                self.parts = key.parts
                self.files = key.files
                self.warnings = key.warnings
            }
        }

        var keys: [Key]
    }
}

internal import ArgumentParser
internal import CommandLineKit
internal import NativeAPI

/// `cachectl stats`.
struct StatisticsCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Show hit rate, bytes, deduplication, evictions, and a row for each key family.",
        discussion: """
            A key family is all keys of one template. KNOWN counts saves whose content was there already, so that no \
            bytes moved.

            Examples:
              cachectl stats
              cachectl stats --server              all projects, and the budget
              cachectl stats --json | jq .hitRate
            """
    )

    @Flag(help: "Figures of the whole server instead of the project.")
    var server = false

    @OptionGroup var options: ServerOptions

    func run(with session: Session) async throws {
        let statistics =
            self.server
            ? try await session.server.serverStatistics() : try await session.server.projectStatistics()
        let summary = StatisticsSummary(statistics: statistics)
        if session.wantsJSON { return try session.output.json(summary.document) }
        try session.output.table(summary.details)
        guard !statistics.families.isEmpty else { return }
        try session.output.line("")
        try session.output.table(summary.families(withProjects: self.server))
    }
}

import CacheModel
import CommandLineKit
import NativeAPI
import Testing

@testable import cachectl

struct StatisticsTests {
    private static func family(
        _ name: String,
        exact: Int,
        prefix: Int,
        misses: Int
    ) throws
        -> StatisticsResponse.Family
    {
        .init(
            project: try ProjectName("acme/shop"),
            family: name,
            exactHits: exact,
            prefixHits: prefix,
            misses: misses,
            saves: 2,
            knownSaves: 1,
            bytesSent: 1_024,
            bytesReceived: 512
        )
    }

    private static func summary(_ families: [StatisticsResponse.Family], raw: Int = 50) -> StatisticsSummary {
        StatisticsSummary(
            statistics: StatisticsResponse(
                entries: 3,
                pinnedEntries: 1,
                removedEntries: 0,
                layers: 3,
                blobs: 9,
                logicalBytes: 200,
                rawBytes: raw,
                storedBytes: 25,
                maximumBytes: 100,
                removals: ["evicted": 4, "expired": 0],
                families: families
            )
        )
    }

    @Test func `hits and restores are summed over families`() throws {
        let summary = Self.summary([
            try Self.family("a", exact: 3, prefix: 1, misses: 1), try Self.family("b", exact: 0, prefix: 2, misses: 1),
        ])
        #expect(summary.hits == 6)
        #expect(summary.restores == 8)
        #expect(summary.document.hitRate == 0.75)
        #expect(summary.document.deduplicationRatio == 4)
        #expect(summary.document.storedRatio == 8)
    }

    @Test func `without restores there is no hit rate`() {
        let summary = Self.summary([], raw: 0)
        #expect(summary.document.hitRate == nil)
        #expect(summary.document.deduplicationRatio == nil)
        #expect(summary.details.lines(on: .plain).contains("hit rate       - of 0 restores (0 exact, 0 by prefix)"))
    }

    @Test func `the figures are told with budget and evictions`() throws {
        let lines = Self.summary([try Self.family("a", exact: 3, prefix: 1, misses: 1)]).details.lines(on: .plain)
        #expect(lines.contains("on disk        25 B (8.00x less)"))
        #expect(lines.contains("budget         100 B (25.0% used)"))
        #expect(lines.contains("hit rate       80.0% of 5 restores (3 exact, 1 by prefix)"))
        #expect(lines.last == "gone           evicted 4")
    }

    @Test func `the busiest family comes first`() throws {
        let summary = Self.summary([
            try Self.family("quiet", exact: 0, prefix: 0, misses: 1),
            try Self.family("busy", exact: 8, prefix: 1, misses: 0),
        ])
        let lines = summary.families(withProjects: true).lines(on: .plain)
        #expect(lines[1].hasPrefix("acme/shop  busy"))
        #expect(lines[1].contains("100.0%"))
        #expect(lines[2].hasPrefix("acme/shop  quiet"))
    }

    @Test func `the verdict of a check tells what is left`() {
        #expect(CheckCommand.verdict(problems: 0, repaired: 0) == "no problems")
        #expect(CheckCommand.verdict(problems: 2, repaired: 2) == "2 problems, all repaired")
        #expect(CheckCommand.verdict(problems: 2, repaired: 1) == "2 problems, 1 repaired")
    }
}

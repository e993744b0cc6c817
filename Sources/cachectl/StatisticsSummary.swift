internal import CacheModel
internal import CommandLineKit
internal import NativeAPI

/// What follows from a server's figures.
struct StatisticsSummary: Sendable {
    let statistics: StatisticsResponse

    /// Restores that found their key itself.
    var exactHits: Int { self.sum(\.exactHits) }
    /// Restores that found another entry with their key as a prefix.
    var prefixHits: Int { self.sum(\.prefixHits) }
    /// Restores that found something.
    var hits: Int { self.exactHits + self.prefixHits }
    /// All restores.
    var restores: Int { self.hits + self.sum(\.misses) }
    /// All saves.
    var saves: Int { self.sum(\.saves) }
    /// Saves whose content was there already.
    var knownSaves: Int { self.sum(\.knownSaves) }

    private func sum(_ figure: (StatisticsResponse.Family) -> Int) -> Int {
        self.statistics.families.reduce(0) { $0 + figure($1) }
    }

    /// The figures as labels and values.
    var details: OutputTable {
        let figures = self.statistics
        let bytes = Quantity.describe(bytes:)
        var details: [(label: String, value: String)] = [
            ("entries", "\(figures.entries) (\(figures.pinnedEntries) pinned)")
        ]
        if figures.removedEntries > 0 {
            details.append(("removed", "\(figures.removedEntries), bytes not yet collected"))
        }
        details += [
            ("layers", "\(figures.layers)"),
            ("blobs", "\(figures.blobs)"),
            ("saved by jobs", "\(bytes(figures.logicalBytes)) as if each entry were stored alone"),
            (
                "deduplicated",
                "\(bytes(figures.rawBytes)) (\(OutputText.ratio(figures.logicalBytes, to: figures.rawBytes)) less)"
            ),
            (
                "on disk",
                "\(bytes(figures.storedBytes)) (\(OutputText.ratio(figures.logicalBytes, to: figures.storedBytes)) less)"
            ),
        ]
        if let budget = figures.maximumBytes {
            let share = OutputText.percent(figures.storedBytes, of: budget)
            details.append(("budget", "\(bytes(budget)) (\(share) used)"))
        }
        let rate = OutputText.percent(self.hits, of: self.restores)
        details += [
            (
                "hit rate",
                "\(rate) of \(OutputText.count(self.restores, "restore", "restores")) "
                    + "(\(self.exactHits) exact, \(self.prefixHits) by prefix)"
            ),
            ("saves", "\(self.saves) (\(self.knownSaves) known already)"),
            ("sent", bytes(self.sum(\.bytesSent))),
            ("received", bytes(self.sum(\.bytesReceived))),
        ]
        for (reason, count) in figures.removals.sorted(by: { $0.key < $1.key }) where count > 0 {
            details.append(("gone", "\(reason) \(count)"))
        }
        return OutputTable(details: details)
    }

    /// One row for each key family, the busiest first.
    func families(withProjects: Bool) -> OutputTable {
        var columns: [OutputTable.Column] = withProjects ? [.text("PROJECT")] : []
        columns += [.flexible("KEY FAMILY")]
        columns += ["RESTORES", "HIT RATE", "EXACT", "PREFIX", "MISSES", "SAVES", "KNOWN", "SENT", "RECEIVED"].map {
            .number($0)
        }
        var table = OutputTable(columns)
        let busiestFirst = self.statistics.families.sorted { first, second in
            let (firstCount, secondCount) = (first.restores + first.saves, second.restores + second.saves)
            return firstCount == secondCount ? first.family < second.family : firstCount > secondCount
        }
        for family in busiestFirst {
            let project = withProjects ? [family.project.description] : []
            let cells = [
                family.family, "\(family.restores)",
                OutputText.percent(family.exactHits + family.prefixHits, of: family.restores),
                "\(family.exactHits)", "\(family.prefixHits)", "\(family.misses)", "\(family.saves)",
                "\(family.knownSaves)", Quantity.describe(bytes: family.bytesSent),
                Quantity.describe(bytes: family.bytesReceived),
            ]
            table.add(project + cells)
        }
        return table
    }

    /// The figures and what follows from them, as JSON.
    var document: Document {
        Document(
            statistics: self.statistics,
            restores: self.restores,
            hits: self.hits,
            hitRate: Self.quotient(self.hits, self.restores),
            deduplicationRatio: Self.quotient(self.statistics.logicalBytes, self.statistics.rawBytes),
            storedRatio: Self.quotient(self.statistics.logicalBytes, self.statistics.storedBytes)
        )
    }

    /// The JSON document of `cachectl stats`.
    struct Document: Encodable, Sendable {
        var statistics: StatisticsResponse
        var restores: Int
        var hits: Int
        /// 0 to 1; absent without restores.
        var hitRate: Double?
        var deduplicationRatio: Double?
        var storedRatio: Double?
    }

    private static func quotient(_ dividend: Int, _ divisor: Int) -> Double? {
        divisor > 0 ? Double(dividend) / Double(divisor) : nil
    }
}

extension StatisticsResponse.Family {
    /// All restores of the family.
    fileprivate var restores: Int { self.exactHits + self.prefixHits + self.misses }
}

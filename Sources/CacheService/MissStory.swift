package import CacheModel
package import StorageInterface

/// Why a key was not found, told from what the catalog remembers.
package struct MissStory: Hashable, Sendable {
    /// One sentence.
    package var summary: String
    /// The key of the nearest entry, if there is one.
    package var nearestKey: CacheKey?
    /// The whole story, a line each.
    package var details: [String]
}

extension CacheService {
    /// Explains a miss.
    ///
    /// - Parameters:
    ///   - key: The key that was asked for.
    ///   - provenance: How the key was made, if the client said so.
    ///   - vantage: Where it was looked for; what others did is no part of the story.
    /// - Returns: What is known; there is always a summary.
    /// - Throws: What the catalog throws.
    package func explainMiss(
        of key: CacheKey,
        provenance: Provenance?,
        in vantage: Vantage
    ) async throws -> MissStory {
        let history = try await self.catalog.history(of: key, in: vantage, limit: 10)
        var relatives: [Entry] = []
        if let provenance {
            relatives = try await self.catalog.relatives(ofTemplate: provenance.template, in: vantage, limit: 50)
        }
        return MissStory.tell(key: key, provenance: provenance, history: history, relatives: relatives)
    }
}

extension MissStory {
    /// Puts the story together; pure.
    static func tell(key: CacheKey, provenance: Provenance?, history: [HistoryEvent], relatives: [Entry]) -> Self {
        var details = history.map(Self.line)
        let nearest = provenance.flatMap { Self.nearest(to: $0, among: relatives) }
        var differences: [String] = []
        if let provenance, let nearest {
            differences = Self.differences(from: nearest.provenance, to: provenance)
            details += ["the nearest entry is '\(nearest.key)', saved \(nearest.createdAt)"]
            details += differences
            details += Self.fileDifferences(from: nearest.provenance, to: provenance)
        }
        let summary: String
        if let gone = history.first(where: { $0.kind.removalReason != nil }), let reason = gone.kind.removalReason {
            let what = gone.key == key ? "it" : "'\(gone.key)'"
            summary = "\(what) was \(reason.rawValue) at \(gone.at)" + (gone.detail.isEmpty ? "" : " (\(gone.detail))")
        } else if let nearest, let difference = differences.first {
            let more = differences.count > 1 ? ", and \(differences.count - 1) more" : ""
            summary = "the nearest entry '\(nearest.key)' differs: \(difference)\(more)"
        } else if provenance != nil, relatives.isEmpty {
            summary = "nothing was saved under this key template yet"
        } else {
            summary = "nothing was saved under a key that starts like this"
        }
        return Self(summary: summary, nearestKey: nearest?.key, details: details)
    }

    private static func line(_ event: HistoryEvent) -> String {
        let what =
            switch event.kind {
            case .saved: "saved"
            case .removed(let reason): reason.rawValue
            case .restoredByHand: "brought back"
            }
        return "'\(event.key)' was \(what) at \(event.at)" + (event.detail.isEmpty ? "" : " (\(event.detail))")
    }

    /// The entry with the most equal parts; the newest of these.
    private static func nearest(to provenance: Provenance, among relatives: [Entry]) -> Entry? {
        func equalParts(_ entry: Entry) -> Int {
            zip(entry.provenance.parts, provenance.parts).reduce(0) { $0 + ($1.0 == $1.1 ? 1 : 0) }
        }
        return relatives.max { (equalParts($0), $0.id) < (equalParts($1), $1.id) }
    }

    private static func differences(from old: Provenance, to new: Provenance) -> [String] {
        zip(old.parts, new.parts).filter { $0 != $1 && !$1.isLiteral }.map { old, new in
            guard new.source.hasPrefix("checksum") || new.source.hasPrefix("hashFiles") else {
                return "\(new.source) is '\(new.value)', there it is '\(old.value)'"
            }
            return "\(new.source) is another"
        }
    }

    /// What differs inside of checksummed files, for text files that both sides know.
    private static func fileDifferences(from old: Provenance, to new: Provenance) -> [String] {
        var lines: [String] = []
        for file in new.files {
            guard let before = old.files.first(where: { $0.path == file.path }), before.digest != file.digest else {
                continue
            }
            lines.append("\(file.path): sha256 was \(before.digest), is \(file.digest)")
            if let oldText = before.text, let newText = file.text {
                lines += self.lineDifferences(from: oldText, to: newText, limit: 20).map { "\(file.path): \($0)" }
            }
        }
        return lines
    }

    private static func lineDifferences(from old: String, to new: String, limit: Int) -> [String] {
        let oldLines = old.split(separator: "\n", omittingEmptySubsequences: false)
        let newLines = new.split(separator: "\n", omittingEmptySubsequences: false)
        let difference = newLines.difference(from: oldLines)
        let lines = difference.removals.map(Self.describe) + difference.insertions.map(Self.describe)
        guard lines.count > limit else { return lines }
        return lines.prefix(limit) + ["and \(lines.count - limit) more lines"]
    }

    private static func describe(_ change: CollectionDifference<Substring>.Change) -> String {
        switch change {
        case .insert(let offset, let line, _): "line \(offset + 1): + \(line)"
        case .remove(let offset, let line, _): "line \(offset + 1): - \(line)"
        }
    }
}

extension HistoryEvent.Kind {
    /// Why an entry went, if the event says that one went.
    var removalReason: Removal.Reason? {
        guard case .removed(let reason) = self else { return nil }
        return reason
    }
}

internal import CacheModel
internal import CommandLineKit

/// Entries as people read them.
enum EntryText {
    /// A table of entries.
    static func table(of entries: [Entry], withProjects: Bool, at now: Timestamp) -> OutputTable {
        var columns: [OutputTable.Column] = withProjects ? [.text("PROJECT")] : []
        columns += [.flexible("KEY"), .number("SIZE"), .number("LAYERS"), .number("SAVED"), .number("USED")]
        columns.append(.text("STATE"))
        var table = OutputTable(columns)
        for entry in entries {
            let project = withProjects ? [entry.project.description] : []
            let cells = [
                entry.key.text, Quantity.describe(bytes: entry.size), "\(entry.layers.count)",
                OutputText.age(of: entry.createdAt, at: now), OutputText.age(of: entry.lastUsedAt, at: now),
                Self.state(of: entry, at: now),
            ]
            table.add(project + cells)
        }
        return table
    }

    /// What is special about an entry, in a few words; empty for most.
    static func state(of entry: Entry, at now: Timestamp) -> String {
        var words: [String] = []
        if let removal = entry.removal {
            words.append("\(removal.reason.rawValue) \(Self.ago(removal.at, at: now))")
        }
        if entry.isPinned { words.append("pinned") }
        if let expiry = entry.expiresAt, entry.removal == nil {
            words.append("expires in \(OutputText.rest(until: expiry, at: now))")
        }
        if entry.scope != .shared { words.append("scope \(entry.scope)") }
        return words.joined(separator: ", ")
    }

    /// `5m ago`, or `now`.
    static func ago(_ moment: Timestamp, at now: Timestamp) -> String {
        let age = OutputText.age(of: moment, at: now)
        return age == "now" ? age : "\(age) ago"
    }

    /// A moment and how long ago it was.
    static func moment(_ moment: Timestamp, at now: Timestamp) -> String {
        "\(moment) (\(Self.ago(moment, at: now)))"
    }

    /// Everything about an entry but its layers, and what else is known.
    static func details(
        of entry: Entry,
        _ more: [(label: String, value: String)] = [],
        at now: Timestamp
    ) -> OutputTable {
        var details: [(label: String, value: String)] = [
            ("key", entry.key.text),
            ("project", entry.project.description),
            ("scope", entry.scope.text),
            ("size", "\(Quantity.describe(bytes: entry.size)) (\(entry.size) bytes)"),
            ("saved", Self.moment(entry.createdAt, at: now)),
            ("last used", Self.moment(entry.lastUsedAt, at: now)),
        ]
        if let expiry = entry.expiresAt {
            details.append(("expires", "\(expiry) (in \(OutputText.rest(until: expiry, at: now)))"))
        }
        details.append(("pinned", entry.isPinned ? "yes, eviction leaves it alone" : "no"))
        if let removal = entry.removal {
            details.append(("gone", "\(removal.reason.rawValue) \(Self.moment(removal.at, at: now))"))
        }
        return OutputTable(details: details + more + Self.provenance(entry.provenance))
    }

    private static func provenance(_ provenance: Provenance) -> [(label: String, value: String)] {
        var details: [(label: String, value: String)] = []
        if !provenance.template.isEmpty { details.append(("template", provenance.template)) }
        for part in provenance.parts where !part.isLiteral {
            details.append(("parts", "\(part.source) = \(part.value)"))
        }
        for file in provenance.files { details.append(("files", "\(file.path) sha256:\(file.digest)")) }
        let others = [
            ("branch", provenance.branch), ("revision", provenance.revision), ("build", provenance.build),
            ("system", provenance.system), ("host", provenance.host),
        ]
        for (label, value) in others {
            if let value, !value.isEmpty { details.append((label, value)) }
        }
        return details
    }

    /// A table of an entry's layers.
    static func layers(of entry: Entry) -> OutputTable {
        var table = OutputTable([
            .number("LAYER"), .flexible("PATH"), .text("BELOW"), .number("SIZE"), .number("MEMBERS"), .number("CHUNKS"),
            .text("TREE DIGEST"),
        ])
        for (index, layer) in entry.layers.enumerated() {
            table.add([
                "\(index)", layer.path, Self.name(of: layer.anchor), Quantity.describe(bytes: layer.size),
                "\(layer.memberCount)", "\(layer.chunkCount)", "\(layer.treeDigest)",
            ])
        }
        return table
    }

    /// An anchor as people write it.
    static func name(of anchor: Anchor) -> String {
        switch anchor {
        case .workdir: "."
        case .home: "~"
        case .root: "/"
        }
    }
}

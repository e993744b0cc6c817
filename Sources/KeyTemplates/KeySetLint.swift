/// Rules about the keys of several steps together.
public enum KeySetLint {
    /// What a finding is about: an index into the save keys or the restore keys.
    public enum Subject: Hashable, Sendable {
        /// The save key with this index.
        case save(Int)
        /// The restore key with this index.
        case restore(Int)
    }

    /// A finding about one of the keys.
    public struct Result: Hashable, Sendable {
        /// The key that the finding is about.
        public var subject: Subject
        /// The finding.
        public var finding: LintFinding
    }

    /// Checks that what is saved can be restored, that what is restored is saved, and that no key catches another's entries.
    public static func check(saves: [KeyTemplate], restores: [KeyTemplate]) -> [Result] {
        let saved = saves.map(KeyPatternText.init)
        let restored = restores.map(KeyPatternText.init)
        var results: [Result] = []
        for index in saves.indices where !restored.contains(where: { $0.matches(saved[index]) != .never }) {
            let message =
                "nothing restores '\(saves[index])': no restore key is the start of it; add one, or stop saving it"
            results.append(Result(subject: .save(index), finding: .init(.warning, "never-restored", message)))
        }
        for index in restores.indices where !saved.contains(where: { restored[index].matches($0) != .never }) {
            let message =
                "nothing saves a key that starts with '\(restores[index])'; correct the key, or add a save step"
            results.append(Result(subject: .restore(index), finding: .init(.warning, "never-saved", message)))
        }
        for index in restores.indices {
            guard let trap = Self.trap(restored[index], among: saves, saved) else { continue }
            let message =
                "'\(restores[index])' is saved and is also the start of '\(trap)', and the newest of both wins; "
                + "give them different beginnings, or use --match exact"
            results.append(Result(subject: .restore(index), finding: .init(.warning, "prefix-trap", message)))
        }
        return results
    }

    /// A save key that a restore key catches although it has a save key of its own.
    private static func trap(
        _ restore: KeyPatternText,
        among saves: [KeyTemplate],
        _ saved: [KeyPatternText]
    ) -> KeyTemplate? {
        guard saved.contains(restore) else { return nil }
        return saves.indices.first { saved[$0] != restore && restore.isPrefix(of: saved[$0]) }.map { saves[$0] }
    }
}

internal import CacheModel

/// Rules about one key template or the keys of one step; nothing here looks at other steps.
public enum TemplateLint {
    /// The rules that need only the template: characters, unexpanded parameters.
    public static func check(_ template: KeyTemplate) -> [LintFinding] {
        var findings: [LintFinding] = []
        for parameter in template.unexpandedParameters {
            findings.append(
                .init(
                    .note,
                    "unexpanded-parameter",
                    "'\(parameter)' is resolved by CircleCI's config compiler and taken as it stands here; "
                        + "lint the output of 'circleci config process' to see real keys"
                )
            )
        }
        let odd = Self.oddCharacters(template)
        if !odd.isEmpty {
            findings.append(
                .init(
                    .note,
                    "characters",
                    "key '\(template)' has \(odd.map { "'\($0)'" }.joined(separator: " ")) in its fixed text, which Tarn keeps "
                        + "but CircleCI advises against; use letters, digits, '_' and '-'"
                )
            )
        }
        return findings
    }

    /// The rules that need values: missing files, empty parts, keys that are too long.
    public static func check(_ template: KeyTemplate, in context: ExpansionContext) -> [LintFinding] {
        let key: ExpandedKey
        do {
            key = try template.expand(in: context)
        } catch {
            return [
                .init(.warning, "missing-file", "\(error); commit the file, or correct its name in '\(template)'")
            ]
        }
        var findings = key.warnings.filter { !$0.contains("config compiler") }.map {
            LintFinding(.warning, "empty-segment", $0)
        }
        do {
            _ = try key.cacheKey()
        } catch {
            let isLong = key.text.utf8.count > CacheKey.maximumJobLength
            findings.append(.init(.error, isLong ? "long-key" : "unusable-key", error.description))
        }
        return findings
    }

    /// The rules about the keys of one restore step, in order: rotating parts, cold branches, keys that hide later ones.
    public static func checkRestore(_ keys: [KeyTemplate]) -> [LintFinding] {
        keys.flatMap { Self.rotating($0, isSaved: false, restoredBy: keys) }
            + keys.flatMap(Self.openEnd) + Self.coldBranch(keys) + Self.shadowed(keys)
    }

    /// The rules about a save key, given all restore keys that could find it.
    public static func checkSave(_ key: KeyTemplate, restoredBy keys: [KeyTemplate]) -> [LintFinding] {
        Self.rotating(key, isSaved: true, restoredBy: keys)
    }

    private static func oddCharacters(_ template: KeyTemplate) -> [Unicode.Scalar] {
        var seen: Set<Unicode.Scalar> = []
        return template.segments.flatMap { segment -> [Unicode.Scalar] in
            guard case .literal(let text) = segment.content else { return [] }
            return ParameterText.split(text).filter { !$0.isParameter }.flatMap { Array($0.text.unicodeScalars) }
        }.filter { scalar in
            let isUsual = scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
            return !isUsual && !"_-.".unicodeScalars.contains(scalar) && seen.insert(scalar).inserted
        }
    }

    /// A part that differs in every job makes every key new: only what stands before it can match.
    private static func rotating(
        _ key: KeyTemplate,
        isSaved: Bool,
        restoredBy restores: [KeyTemplate]
    ) -> [LintFinding] {
        guard let place = key.segments.firstIndex(where: Self.isRotating) else { return [] }
        let source = key.segments[place].source
        let before = key.segments[..<place].map(Self.spelled).joined()
        let isFirst = !key.segments[..<place].contains { $0.isVarying }
        let pattern = KeyPatternText(key)
        let isFound = restores.contains { restore in
            restore.segments.allSatisfy { !Self.isRotating($0) } && KeyPatternText(restore).matches(pattern) != .never
        }
        if isSaved {
            if isFound { return [] }
            return [
                .init(
                    .warning,
                    "rotating-key",
                    "'\(source)' differs in every job, so each job saves a new entry under '\(key)' that no restore key finds; "
                        + "use a checksum of what the cache depends on, or restore with '\(before)'"
                )
            ]
        }
        let remedy =
            isFirst ? "put a checksum of what the cache depends on in its place" : "end the restore key at '\(before)'"
        return [
            .init(
                isFound ? .note : .warning,
                "rotating-key",
                "'\(source)' differs from job to job, so '\(key)' cannot match what an earlier build saved; \(remedy)"
            )
        ]
    }

    /// Without a key that ends before `.Branch`, the first build of each branch finds nothing.
    private static func coldBranch(_ keys: [KeyTemplate]) -> [LintFinding] {
        guard let first = keys.first, !keys.contains(where: { Self.branchPlace($0) == nil }) else { return [] }
        let places = keys.compactMap(Self.branchPlace)
        guard let place = places.first else { return [] }
        let before = first.segments[..<place].map(Self.spelled).joined()
        let isFirst = !first.segments[..<place].contains { $0.isVarying }
        let remedy = before.isEmpty ? "put fixed text such as 'v1-' first" : "add the key '\(before)' after it"
        let message =
            "every key of the step needs an entry of the same branch, so each new branch starts cold; "
            + (isFirst && !before.isEmpty ? "\(remedy), or move .Branch to the end" : remedy)
        return [.init(.warning, "cold-branch", message)]
    }

    /// Keys are prefixes: `v1-{{ .Branch }}` on `fix` finds what `fix-login` saved.
    private static func openEnd(_ key: KeyTemplate) -> [LintFinding] {
        guard let last = key.segments.last else { return [] }
        switch last.content {
        case .action(.branch), .action(.buildNum), .action(.environment):
            return [
                .init(
                    .warning,
                    "open-end",
                    "'\(key)' ends in '\(last.source)', and keys match as prefixes: with the value 'fix' it also finds entries of "
                        + "'fix-login'; end it and the save key with a fixed text such as '-end', or use --match exact"
                )
            ]
        case .literal(let text):
            guard let end = text.unicodeScalars.last, !"-_./:>".unicodeScalars.contains(end) else { return [] }
            let message =
                "'\(key)' ends without a separator, so it also finds keys that go on, such as '\(text)2'; "
                + "end it with '-' if that is not meant"
            return [.init(.note, "open-end", message)]
        default: return []
        }
    }

    /// A key that starts with an earlier one of the same step is never reached.
    private static func shadowed(_ keys: [KeyTemplate]) -> [LintFinding] {
        let patterns = keys.map(KeyPatternText.init)
        return keys.indices.compactMap { later in
            guard let earlier = keys[..<later].indices.first(where: { patterns[$0].isPrefix(of: patterns[later]) })
            else {
                return nil
            }
            return LintFinding(
                .warning,
                "shadowed-key",
                "'\(keys[later])' is never used, because '\(keys[earlier])' before it finds all that it could; "
                    + "put the longer key first"
            )
        }
    }

    private static func branchPlace(_ key: KeyTemplate) -> Int? {
        let names = ["CIRCLE_BRANCH", "CI_COMMIT_REF_NAME", "GITHUB_REF_NAME", "GITHUB_HEAD_REF", "BRANCH_NAME"]
        return key.segments.firstIndex { segment in
            switch segment.content {
            case .action(.branch): true
            case .action(.environment(let name)): names.contains(name)
            default: false
            }
        }
    }

    private static func isRotating(_ segment: KeyTemplate.Segment) -> Bool {
        guard case .action(let action) = segment.content else { return false }
        return action.isRotating
    }

    static func spelled(_ segment: KeyTemplate.Segment) -> String {
        guard case .action = segment.content else { return segment.source }
        return "{{ \(segment.source) }}"
    }
}

extension KeyTemplate.Segment {
    /// Whether the segment's value depends on what is built, rather than on the template or the machine.
    fileprivate var isVarying: Bool {
        switch self.content {
        case .literal, .action(.arch), .action(.checkoutKey): false
        case .action: true
        }
    }
}

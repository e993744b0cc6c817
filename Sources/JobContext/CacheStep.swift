/// A `restore_cache` or `save_cache` step as people write it in `.circleci/config.yml`.
package struct CacheStep: Hashable, Sendable {
    /// Which of the two steps it is.
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        case restore = "restore_cache"
        case save = "save_cache"

        /// The fields that the step may have.
        package var fields: [String] {
            switch self {
            case .restore: ["key", "keys", "name"]
            case .save: ["key", "paths", "name", "when"]
            }
        }
    }

    /// When a save step runs.
    package enum When: String, Hashable, Sendable, CaseIterable {
        case always
        case onSuccess = "on_success"
        case onFail = "on_fail"
    }

    /// One key template and where it stands.
    package struct Key: Hashable, Sendable {
        /// The unparsed template.
        package var template: String
        /// Its line, from 1.
        package var line: Int
    }

    /// Which of the two steps it is.
    package var kind: Kind
    /// The key templates in the order in which they are tried: `key`, then `keys`; a save has one.
    package var keys: [Key]
    /// What a save stores.
    package var paths: [String]
    /// The step's title.
    package var name: String?
    /// When a save runs.
    package var when: When
    /// The step's line, from 1.
    package var line: Int

    /// Parses a pasted step.
    ///
    /// Accepted are the step as a list item or as a mapping, the fields alone if `expected` says whose they are, and the old form
    /// of `restore_cache` that is only a list of keys.
    ///
    /// - Throws: ``YAMLError`` with a line and what to do; for the wrong kind of step, which command takes it.
    package static func parse(_ text: String, expecting expected: Kind? = nil) throws(YAMLError) -> Self {
        var node = try YAMLParser.parse(text)
        if let items = node.items, items.contains(where: { $0.pairs != nil }) {
            guard items.count == 1 else {
                throw YAMLError(line: node.line, "there are \(items.count) steps; give one at a time")
            }
            node = items[0]
        }
        if let pairs = node.pairs, pairs.contains(where: { Kind(rawValue: $0.key) != nil }) {
            return try Self.named(pairs, expecting: expected)
        }
        if let kind = expected, Self.looksLikeFields(node) { return try Self(kind, fields: node, line: node.line) }
        if let pair = node.pairs?.first, node.pairs?.count == 1 {
            throw YAMLError(
                line: pair.line,
                "'\(pair.key)' is not a cache step; give a restore_cache or save_cache step"
            )
        }
        throw YAMLError(line: node.line, "there is no restore_cache or save_cache step in this text")
    }

    private static func looksLikeFields(_ node: YAMLNode) -> Bool {
        if let items = node.items { return !items.isEmpty }
        let fields = Set(Kind.allCases.flatMap(\.fields))
        return node.pairs?.contains { fields.contains($0.key) } ?? false
    }

    private static func named(_ pairs: [YAMLNode.Pair], expecting expected: Kind?) throws(YAMLError) -> Self {
        guard pairs.count == 1, let pair = pairs.first, let kind = Kind(rawValue: pair.key) else {
            let names = pairs.map { "'\($0.key)'" }.joined(separator: ", ")
            let line = pairs.first { Kind(rawValue: $0.key) == nil }?.line ?? pairs.last?.line ?? 1
            let hint = "indent the fields below the step's name, and give one step at a time"
            throw YAMLError(line: line, "a step has one name, not \(names); \(hint)")
        }
        if let expected, expected != kind {
            throw YAMLError(line: pair.line, "this is a \(kind.rawValue) step; give it to the command \(kind.rawValue)")
        }
        return try Self(kind, fields: pair.value, line: pair.line)
    }

    /// Reads the fields of a step whose name is known.
    package init(_ kind: Kind, fields: YAMLNode, line: Int) throws(YAMLError) {
        self.kind = kind
        self.line = line
        self.keys = []
        self.paths = []
        self.when = .onSuccess
        if kind == .restore, fields.items != nil {
            self.keys = try Self.texts(fields, "keys")
        } else {
            guard let pairs = fields.pairs else {
                let wanted = kind == .restore ? "'key' or 'keys'" : "'key' and 'paths'"
                throw YAMLError(line: line, "\(kind.rawValue) needs \(wanted), indented below it")
            }
            try self.read(pairs)
        }
        if self.keys.isEmpty {
            throw YAMLError(line: line, "\(kind.rawValue) has no key; add 'key: …' below it")
        }
        if kind == .save, self.paths.isEmpty {
            throw YAMLError(line: line, "save_cache has no paths; add 'paths:' with a list below it")
        }
    }

    private mutating func read(_ pairs: [YAMLNode.Pair]) throws(YAMLError) {
        var fallbacks: [Key] = []
        for pair in pairs {
            guard self.kind.fields.contains(pair.key) else {
                let fields = self.kind.fields.joined(separator: ", ")
                let message = "\(self.kind.rawValue) has no field '\(pair.key)'; its fields are \(fields)"
                throw YAMLError(line: pair.line, message)
            }
            switch pair.key {
            case "key": self.keys = [Key(template: try Self.text(pair), line: pair.value.line)]
            case "keys": fallbacks = try Self.texts(pair.value, "keys")
            case "paths": self.paths = try Self.texts(pair.value, "paths").map(\.template)
            case "name": self.name = try Self.text(pair)
            default: self.when = try Self.when(pair)
            }
        }
        self.keys += fallbacks
    }

    private static func when(_ pair: YAMLNode.Pair) throws(YAMLError) -> When {
        let text = try Self.text(pair)
        guard let when = When(rawValue: text) else {
            throw YAMLError(line: pair.line, "'when' is '\(text)', expected always, on_success or on_fail")
        }
        return when
    }

    private static func text(_ pair: YAMLNode.Pair) throws(YAMLError) -> String {
        guard let text = pair.value.text, !text.isEmpty else {
            throw YAMLError(line: pair.line, "'\(pair.key)' needs a text; put one that contains '{{' in quotes")
        }
        return text
    }

    private static func texts(_ node: YAMLNode, _ field: String) throws(YAMLError) -> [Key] {
        guard let items = node.items ?? (node.text == nil ? nil : [node]) else {
            throw YAMLError(line: node.line, "'\(field)' needs a list of texts")
        }
        var keys: [Key] = []
        for item in items {
            guard let text = item.text, !text.isEmpty else {
                throw YAMLError(line: item.line, "'\(field)' needs texts; put one that contains '{{' in quotes")
            }
            keys.append(Key(template: text, line: item.line))
        }
        return keys
    }
}

/// One node of a YAML document, with aliases and merge keys resolved.
package struct YAMLNode: Hashable, Sendable {
    /// What a node holds.
    package enum Content: Hashable, Sendable {
        /// Text; `isPlain` tells unquoted text, which may stand for a number, a truth value or nothing.
        case scalar(String, isPlain: Bool)
        /// Nodes in order.
        case sequence([YAMLNode])
        /// Keys and values in order; keys are text, and each occurs once.
        case mapping([Pair])
    }

    /// A key and its value.
    package struct Pair: Hashable, Sendable {
        /// The key's text.
        package var key: String
        /// The key's line, from 1.
        package var line: Int
        /// The value.
        package var value: YAMLNode
    }

    /// What the node holds.
    package var content: Content
    /// The node's first line, from 1.
    package var line: Int
    /// The number of nodes in the node, itself included, with aliases counted as often as they are used.
    package var weight: Int
    /// The number of levels in the node, itself included.
    package var height: Int

    package init(_ content: Content, line: Int) {
        self.content = content
        self.line = line
        let children: [YAMLNode]
        switch content {
        case .scalar: children = []
        case .sequence(let items): children = items
        case .mapping(let pairs): children = pairs.map(\.value)
        }
        self.weight = children.reduce(1) { $0 + $1.weight }
        self.height = 1 + (children.map(\.height).max() ?? 0)
    }

    /// The text, if the node is text and not an unquoted nothing.
    package var text: String? {
        guard case .scalar(let text, _) = self.content, !self.isNull else { return nil }
        return text
    }

    /// Whether the node is an unquoted nothing: empty, `~` or `null`.
    package var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = self.content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// The items, if the node is a sequence.
    package var items: [YAMLNode]? {
        guard case .sequence(let items) = self.content else { return nil }
        return items
    }

    /// The keys and values, if the node is a mapping.
    package var pairs: [Pair]? {
        guard case .mapping(let pairs) = self.content else { return nil }
        return pairs
    }

    /// The value of a key, if the node is a mapping that has it.
    package subscript(_ key: String) -> YAMLNode? {
        self.pairs?.first { $0.key == key }?.value
    }
}

/// Why a text is not a YAML document that can be used.
package struct YAMLError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The line of the trouble, from 1.
    package var line: Int
    /// What is wrong and what to do: lower case, no full stop.
    package var message: String

    package init(line: Int, _ message: String) {
        self.line = line
        self.message = message
    }

    package var description: String { "line \(self.line): \(self.message)" }
}

internal import CLibYAML

/// Reads one YAML document through libyaml's events, within limits that hold for hostile text.
package struct YAMLParser {
    /// What a document may need at most.
    package struct Limits: Sendable {
        /// Bytes of text.
        package var length = 4 * 1_024 * 1_024
        /// Levels of nesting, aliases included.
        package var depth = 64
        /// Nodes, with aliases counted as often as they are used: a "billion laughs" is refused.
        package var nodes = 200_000

        package init() {}
    }

    /// libyaml keeps the parser's own address, so it stays at one place.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let limits: Limits
    private var anchors: [String: YAMLNode] = [:]
    private var nodes = 0

    private init(_ parser: UnsafeMutablePointer<yaml_parser_t>, limits: Limits) {
        self.parser = parser
        self.limits = limits
    }

    /// Parses a text of one document; an empty text gives an empty plain scalar.
    ///
    /// - Throws: ``YAMLError`` with the line of the trouble.
    package static func parse(_ text: String, limits: Limits = Limits()) throws(YAMLError) -> YAMLNode {
        let bytes = Array(text.utf8)
        guard bytes.count <= limits.length else {
            let message = "the text has \(bytes.count) bytes, more than the \(limits.length) allowed"
            throw YAMLError(line: 1, message)
        }
        // libyaml keeps the address of the text, so parsing stays within the closure.
        let result: Result<YAMLNode, YAMLError> = bytes.withUnsafeBufferPointer { buffer in
            let memory = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
            defer { memory.deallocate() }
            guard yaml_parser_initialize(memory) == 1 else {
                return .failure(YAMLError(line: 1, "there is not enough memory to read YAML"))
            }
            defer { yaml_parser_delete(memory) }
            yaml_parser_set_encoding(memory, YAML_UTF8_ENCODING)
            yaml_parser_set_input_string(memory, buffer.baseAddress, buffer.count)
            var parser = Self(memory, limits: limits)
            do throws(YAMLError) {
                return .success(try parser.document())
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private mutating func document() throws(YAMLError) -> YAMLNode {
        var root = YAMLNode(.scalar("", isPlain: true), line: 1)
        var count = 0
        while true {
            let event = try self.next()
            switch event.kind {
            case .streamEnd: return root
            case .documentStart:
                count += 1
                guard count == 1 else {
                    throw YAMLError(line: event.line, "there is a second document; keep only one")
                }
            case .documentEnd, .streamStart: break
            default: root = try self.node(event, depth: 1)
            }
        }
    }

    private mutating func node(_ event: Event, depth: Int) throws(YAMLError) -> YAMLNode {
        guard depth <= self.limits.depth else {
            throw YAMLError(line: event.line, "more than \(self.limits.depth) levels of nesting")
        }
        if event.kind == .alias {
            guard let node = self.anchors[event.anchor ?? ""] else {
                throw YAMLError(line: event.line, "alias '*\(event.anchor ?? "")' refers to no anchor before it")
            }
            try self.count(node.weight, at: event.line)
            guard depth + node.height - 1 <= self.limits.depth else {
                throw YAMLError(line: event.line, "more than \(self.limits.depth) levels of nesting")
            }
            return node
        }
        try self.count(1, at: event.line)
        let content: YAMLNode.Content
        switch event.kind {
        case .scalar(let text, let isPlain): content = .scalar(text, isPlain: isPlain)
        case .sequenceStart: content = .sequence(try self.items(depth: depth))
        case .mappingStart: content = .mapping(try self.pairs(depth: depth))
        default: throw YAMLError(line: event.line, "this is not a value")
        }
        let node = YAMLNode(content, line: event.line)
        if let anchor = event.anchor { self.anchors[anchor] = node }
        return node
    }

    private mutating func count(_ nodes: Int, at line: Int) throws(YAMLError) {
        self.nodes += nodes
        guard self.nodes <= self.limits.nodes else {
            let message = "more than \(self.limits.nodes) nodes, counting aliases as often as they are used"
            throw YAMLError(line: line, message)
        }
    }

    private mutating func items(depth: Int) throws(YAMLError) -> [YAMLNode] {
        var items: [YAMLNode] = []
        while true {
            let event = try self.next()
            if event.kind == .sequenceEnd { return items }
            items.append(try self.node(event, depth: depth + 1))
        }
    }

    private mutating func pairs(depth: Int) throws(YAMLError) -> [YAMLNode.Pair] {
        var pairs: [YAMLNode.Pair] = []
        var merged: [YAMLNode.Pair] = []
        var seen: Set<String> = []
        while true {
            let event = try self.next()
            if event.kind == .mappingEnd { break }
            let keyNode = try self.node(event, depth: depth + 1)
            guard case .scalar(let key, let isPlain) = keyNode.content else {
                let hint = "put a text that starts with '{' or '[', such as '{{ .Branch }}', in quotes"
                throw YAMLError(line: event.line, "a mapping has a key that is not text; \(hint)")
            }
            let value = try self.node(try self.next(), depth: depth + 1)
            if key == "<<", isPlain {
                merged += try Self.mergedPairs(value, at: event.line)
            } else if seen.insert(key).inserted {
                pairs.append(.init(key: key, line: event.line, value: value))
            } else {
                throw YAMLError(line: event.line, "key '\(key)' is there twice; remove one")
            }
        }
        // A mapping's own keys win over merged ones, and earlier merged mappings over later ones.
        for pair in merged where seen.insert(pair.key).inserted { pairs.append(pair) }
        return pairs
    }

    private static func mergedPairs(_ node: YAMLNode, at line: Int) throws(YAMLError) -> [YAMLNode.Pair] {
        if let pairs = node.pairs { return pairs }
        let mappings = node.items?.compactMap(\.pairs) ?? []
        guard let items = node.items, mappings.count == items.count else {
            throw YAMLError(line: line, "merge key '<<' needs a mapping or a list of mappings")
        }
        return mappings.flatMap { $0 }
    }

    private struct Event {
        enum Kind: Equatable {
            case streamStart, streamEnd, documentStart, documentEnd, alias
            case sequenceStart, sequenceEnd, mappingStart, mappingEnd
            case scalar(String, isPlain: Bool)
        }

        var kind: Kind
        var anchor: String?
        var line: Int
    }

    private mutating func next() throws(YAMLError) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(self.parser, &event) == 1 else { throw self.problem() }
        defer { yaml_event_delete(&event) }
        let line = Int(event.start_mark.line) + 1
        switch event.type {
        case YAML_STREAM_START_EVENT: return Event(kind: .streamStart, line: line)
        case YAML_DOCUMENT_START_EVENT: return Event(kind: .documentStart, line: line)
        case YAML_DOCUMENT_END_EVENT: return Event(kind: .documentEnd, line: line)
        case YAML_ALIAS_EVENT: return Event(kind: .alias, anchor: Self.text(event.data.alias.anchor), line: line)
        case YAML_SEQUENCE_START_EVENT:
            return Event(kind: .sequenceStart, anchor: Self.text(event.data.sequence_start.anchor), line: line)
        case YAML_SEQUENCE_END_EVENT: return Event(kind: .sequenceEnd, line: line)
        case YAML_MAPPING_START_EVENT:
            return Event(kind: .mappingStart, anchor: Self.text(event.data.mapping_start.anchor), line: line)
        case YAML_MAPPING_END_EVENT: return Event(kind: .mappingEnd, line: line)
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let text = String(decoding: bytes, as: UTF8.self)
            let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE
            return Event(kind: .scalar(text, isPlain: isPlain), anchor: Self.text(scalar.anchor), line: line)
        default: return Event(kind: .streamEnd, line: line)
        }
    }

    private func problem() -> YAMLError {
        let line = Int(self.parser.pointee.problem_mark.line) + 1
        guard let problem = self.parser.pointee.problem else { return YAMLError(line: line, "this is not YAML") }
        if self.parser.pointee.error == YAML_READER_ERROR {
            let message = "\(String(cString: problem)) at byte \(self.parser.pointee.problem_offset); remove it"
            return YAMLError(line: line, message)
        }
        let message =
            "this is not YAML (\(String(cString: problem))); check the indentation, and quote keys that contain '{{'"
        return YAMLError(line: line, message)
    }

    private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(cString: $0) }
    }
}

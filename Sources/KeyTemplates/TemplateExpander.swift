internal import CacheModel

extension KeyTemplate {
    /// Expands the template's actions.
    ///
    /// An action without a value expands to nothing and leaves a warning: silently empty parts are how keys become too broad.
    ///
    /// - Throws: ``KeyTemplateError`` if a file cannot be read: there is no key then, and a restore goes on with its next one.
    public func expand(in context: ExpansionContext) throws(KeyTemplateError) -> ExpandedKey {
        var expander = TemplateExpander(self, context)
        for segment in self.segments { try expander.expand(segment) }
        return expander.result
    }
}

private struct TemplateExpander {
    private let template: KeyTemplate
    private let context: ExpansionContext
    private var keptText = 0
    private(set) var result: ExpandedKey

    init(_ template: KeyTemplate, _ context: ExpansionContext) {
        self.template = template
        self.context = context
        self.result = ExpandedKey(template: template.text, text: "", parts: [])
        for parameter in template.unexpandedParameters {
            self.result.warnings.append(
                "'\(parameter)' is taken as it stands: only CircleCI's config compiler resolves it; "
                    + "replace it by its value or by {{ .Environment.NAME }}"
            )
        }
    }

    mutating func expand(_ segment: KeyTemplate.Segment) throws(KeyTemplateError) {
        let value: String
        var isLiteral = false
        switch segment.content {
        case .literal(let text):
            value = text
            isLiteral = true
        case .action(let action):
            value = try self.value(of: action, segment)
        }
        self.result.text += value
        self.result.parts.append(.init(source: segment.source, value: value, isLiteral: isLiteral))
    }

    private mutating func value(
        of action: TemplateAction,
        _ segment: KeyTemplate.Segment
    ) throws(KeyTemplateError) -> String {
        let source = segment.source
        switch action {
        case .branch:
            return self.known(self.context.branch, source, remedy: "set TARN_BRANCH")
        case .buildNum:
            return self.known(self.context.buildNum, source, remedy: "set TARN_BUILD_NUM")
        case .revision:
            return self.known(self.context.revision, source, remedy: "set TARN_REVISION")
        case .checkoutKey:
            return self.known(self.context.checkoutKey, source, remedy: "set TARN_CHECKOUT_KEY")
        case .environment(let name):
            return self.known(self.context.environment(name), source, remedy: "set the environment variable \(name)")
        case .epoch:
            return String(self.context.now.milliseconds / 1_000)
        case .arch:
            return self.context.architecture
        case .checksum(let names):
            return try self.checksum(names, segment)
        case .hashFiles(let patterns):
            return try self.hashFiles(patterns, segment)
        }
    }

    private mutating func known(_ value: String?, _ source: String, remedy: String) -> String {
        if let value, !value.isEmpty { return value }
        self.result.warnings.append("'\(source)' has no value here, so its part of the key is empty; \(remedy)")
        return ""
    }

    private mutating func checksum(
        _ names: [String],
        _ segment: KeyTemplate.Segment
    ) throws(KeyTemplateError) -> String {
        if names.count == 1, self.isPlain(names[0]) {
            return KeyChecksum.encode(try self.read(names[0], segment))
        }
        var walk = GlobWalk(files: self.context.files)
        var all: Set<String> = []
        for name in names {
            if self.isPlain(name) {
                all.insert(Self.cleaned(name))
                continue
            }
            do {
                try walk.add(GlobPattern(name), in: self.context)
            } catch {
                throw self.failure(error.description, path: error.path, segment)
            }
            guard !walk.names.isEmpty else { throw self.failure("no file matches \(name)", path: name, segment) }
            all.formUnion(walk.names)
            walk = GlobWalk(files: self.context.files)
        }
        return KeyChecksum.encode(KeyChecksum.combine(try self.readAll(all, segment)))
    }

    /// Whether a name is a file's own name: one that exists wins over what it would mean as a glob.
    private func isPlain(_ name: String) -> Bool {
        !GlobPattern.isGlob(name) || self.context.files.kind(of: self.context.resolve(name)) != nil
    }

    private mutating func hashFiles(
        _ patterns: [String],
        _ segment: KeyTemplate.Segment
    ) throws(KeyTemplateError) -> String {
        var walk = GlobWalk(files: self.context.files)
        do {
            for pattern in patterns {
                if pattern.hasPrefix("!") {
                    walk.remove(GlobPattern(String(pattern.dropFirst())))
                } else {
                    try walk.add(GlobPattern(pattern), in: self.context)
                }
            }
        } catch {
            throw self.failure(error.description, path: error.path, segment)
        }
        let value = KeyChecksum.hashFiles(try self.readAll(walk.names, segment))
        if value.isEmpty {
            self.result.warnings.append(
                "'\(segment.source)' matches no file, so its part of the key is empty; correct the pattern"
            )
        }
        return value
    }

    private mutating func readAll(
        _ names: Set<String>,
        _ segment: KeyTemplate.Segment
    ) throws(KeyTemplateError) -> [(name: String, digest: Digest)] {
        var files: [(name: String, digest: Digest)] = []
        for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            files.append((name, try self.read(name, segment)))
        }
        return files
    }

    private mutating func read(_ name: String, _ segment: KeyTemplate.Segment) throws(KeyTemplateError) -> Digest {
        let contents: FileContents
        do {
            contents = try self.context.files.contents(of: self.context.resolve(name))
        } catch {
            throw self.failure(error.description, path: error.path, segment)
        }
        let isKnown = self.result.files.contains { $0.path == name }
        if !isKnown, self.result.files.count < ExpandedKey.maximumFileCount {
            let size = contents.text?.utf8.count ?? 0
            let keepsText = self.keptText + size <= ExpandedKey.maximumTextLength
            self.keptText += keepsText ? size : 0
            self.result.files.append(
                .init(path: name, digest: contents.digest, text: keepsText ? contents.text : nil)
            )
        }
        return contents.digest
    }

    private func failure(_ problem: String, path: String, _ segment: KeyTemplate.Segment) -> KeyTemplateError {
        let function = segment.source.prefix { $0 != " " }
        return .executing(
            Array(self.template.text.utf8),
            at: segment.offset,
            command: segment.source,
            "error calling \(function): \(problem)",
            kind: .unreadableFile(path)
        )
    }

    /// The name without `./` and doubled slashes, so that one file has one name.
    private static func cleaned(_ name: String) -> String {
        let parts = name.split(separator: "/").filter { $0 != "." }
        return (name.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    }
}

/// A pattern for file names with `*`, `?`, `[…]`, and `**` for any number of folders.
struct GlobPattern: Hashable, Sendable {
    enum Component: Hashable, Sendable {
        case name(String)
        case wild([Unicode.Scalar])
        case anyDepth
    }

    /// What a pattern starts from: nothing, `/` or `~/`.
    let root: String
    let components: [Component]

    init(_ text: String) {
        var rest = text[...]
        self.root = text.hasPrefix("~/") ? "~/" : text.hasPrefix("/") ? "/" : ""
        rest = rest.dropFirst(self.root.count)
        var components: [Component] = []
        for part in rest.split(separator: "/") where part != "." {
            if part == "**" {
                if components.last != .anyDepth { components.append(.anyDepth) }
            } else if Self.isGlob(part) {
                components.append(.wild(Array(part.unicodeScalars)))
            } else {
                components.append(.name(String(part)))
            }
        }
        self.components = components
    }

    static func isGlob(_ text: some StringProtocol) -> Bool {
        text.utf8.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "[") }
    }

    /// Whether a name, spelled from the same root, is one of those that the pattern stands for.
    func matches(_ name: String) -> Bool {
        let other = Self(name)
        guard self.root == other.root else { return false }
        let names = name.dropFirst(other.root.count).split(separator: "/").filter { $0 != "." }
        return Self.matches(names[...], self.components[...])
    }

    private static func matches(_ names: ArraySlice<Substring>, _ components: ArraySlice<Component>) -> Bool {
        guard let component = components.first else { return names.isEmpty }
        let rest = components.dropFirst()
        if component == .anyDepth {
            // A last `**` stands for files at any depth, so it needs a name.
            if rest.isEmpty { return !names.isEmpty }
            return (names.startIndex...names.endIndex).contains { Self.matches(names[$0...], rest) }
        }
        guard let name = names.first, Self.matches(name, component) else { return false }
        return Self.matches(names.dropFirst(), rest)
    }

    static func matches(_ name: some StringProtocol, _ component: Component) -> Bool {
        switch component {
        case .name(let text): name == text
        case .wild(let pattern): Self.matches(Array(name.unicodeScalars), pattern)
        case .anyDepth: true
        }
    }

    /// Matches one name; on a mismatch the last `*` takes one more character.
    private static func matches(_ name: [Unicode.Scalar], _ pattern: [Unicode.Scalar]) -> Bool {
        var (at, place) = (0, 0)
        var retry: (at: Int, place: Int)?
        while at < name.count {
            if place < pattern.count, pattern[place] == "*" {
                place += 1
                retry = (at, place)
            } else if place < pattern.count, let next = Self.step(name[at], pattern, place) {
                place = next
                at += 1
            } else if let last = retry {
                at = last.at + 1
                place = last.place
                retry = (at, place)
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == "*" }
    }

    /// The place after the pattern's next element, if that element matches `scalar`.
    private static func step(_ scalar: Unicode.Scalar, _ pattern: [Unicode.Scalar], _ place: Int) -> Int? {
        switch pattern[place] {
        case "?": return place + 1
        case "[":
            guard let end = pattern[(place + 1)...].dropFirst().firstIndex(of: "]") else {
                return scalar == "[" ? place + 1 : nil
            }
            return Self.set(pattern[(place + 1)..<end], contains: scalar) ? end + 1 : nil
        default: return pattern[place] == scalar ? place + 1 : nil
        }
    }

    private static func set(_ text: ArraySlice<Unicode.Scalar>, contains scalar: Unicode.Scalar) -> Bool {
        let isNegated = text.count > 1 && (text.first == "!" || text.first == "^")
        let members = Array(isNegated ? text.dropFirst() : text)
        var index = 0
        var found = false
        while index < members.count {
            if index + 2 < members.count, members[index + 1] == "-" {
                found = found || members[index] <= scalar && scalar <= members[index + 2]
                index += 3
            } else {
                found = found || members[index] == scalar
                index += 1
            }
        }
        return found != isNegated
    }
}

/// Finds the files that a pattern stands for.
struct GlobWalk {
    /// The most names looked at for one pattern: a slip such as `/**` ends soon, with a sentence.
    static let maximumNames = 1_000_000

    let files: any TemplateFiles
    private(set) var names: Set<String> = []
    private var looked = 0

    init(files: any TemplateFiles) { self.files = files }

    /// Adds the names of all regular files that match, spelled as the pattern is.
    mutating func add(_ pattern: GlobPattern, in context: ExpansionContext) throws(FileFailure) {
        let start = pattern.root.isEmpty ? context.workingDirectory : context.resolve(pattern.root)
        try self.walk(pattern.components[...], folder: start == "/" ? "" : start, name: pattern.root)
    }

    mutating func remove(_ pattern: GlobPattern) {
        self.names = self.names.filter { !pattern.matches($0) }
    }

    private mutating func walk(
        _ components: ArraySlice<GlobPattern.Component>,
        folder: String,
        name: String
    ) throws(FileFailure) {
        guard let component = components.first else { return }
        let rest = components.dropFirst()
        if case .name(let next) = component {
            return try self.visit(next, rest, folder: folder, name: name)
        }
        if component == .anyDepth, !rest.isEmpty { try self.walk(rest, folder: folder, name: name) }
        for item in try self.files.list(folder.isEmpty ? "/" : folder) {
            self.looked += 1
            guard self.looked <= Self.maximumNames else {
                let reason = "more than \(Self.maximumNames) names to look at; make the pattern narrower"
                throw FileFailure("read", path: folder, reason: reason)
            }
            if component == .anyDepth {
                if rest.isEmpty { try self.visit(item.name, rest, folder: folder, name: name) }
                if !item.isLink { try self.descend(components, into: item.name, folder: folder, name: name) }
            } else if GlobPattern.matches(item.name, component) {
                try self.visit(item.name, rest, folder: folder, name: name)
            }
        }
    }

    private mutating func visit(
        _ next: String,
        _ rest: ArraySlice<GlobPattern.Component>,
        folder: String,
        name: String
    ) throws(FileFailure) {
        guard rest.isEmpty else { return try self.descend(rest, into: next, folder: folder, name: name) }
        if self.files.kind(of: "\(folder)/\(next)") == .file { self.names.insert(name + next) }
    }

    private mutating func descend(
        _ components: ArraySlice<GlobPattern.Component>,
        into next: String,
        folder: String,
        name: String
    ) throws(FileFailure) {
        let path = "\(folder)/\(next)"
        guard self.files.kind(of: path) == .folder else { return }
        try self.walk(components, folder: path, name: "\(name)\(next)/")
    }
}

/// A pattern for file names with `*`, `?`, `[…]`, and `**` for any number of folders.
struct GlobPattern: Hashable, Sendable {
    enum Component: Hashable, Sendable {
        case name(String)
        case wild([WildElement])
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
                components.append(.wild(WildElement.parse(part)))
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
        return Self.matches(names, self.components)
    }

    /// Matches names one after another.
    ///
    /// A last `**` stands for files at any depth, so it needs a name.
    private static func matches(_ names: [Substring], _ components: [Component]) -> Bool {
        self.end(of: names, in: components, star: .anyDepth, self.matches) == components.count
    }

    static func matches(_ name: some StringProtocol, _ component: Component) -> Bool {
        switch component {
        case .name(let text): name == text
        case .wild(let pattern): Self.matches(Array(name.unicodeScalars), pattern)
        case .anyDepth: true
        }
    }

    private static func matches(_ name: [Unicode.Scalar], _ pattern: [WildElement]) -> Bool {
        let end = self.end(of: name, in: pattern, star: .anyText) { $1.matches($0) }
        return end.map { pattern[$0...].allSatisfy { $0 == .anyText } } ?? false
    }

    /// How much of `pattern` is used up when all parts of a text are, or `nil` if they do not fit.
    ///
    /// Only the last `star` takes one part more on a mismatch: what an earlier one could take, that one can take, too.
    private static func end<Part, Element: Equatable>(
        of parts: [Part],
        in pattern: [Element],
        star: Element,
        _ fits: (Part, Element) -> Bool
    ) -> Int? {
        var (at, place) = (0, 0)
        var retry: (at: Int, place: Int)?
        while at < parts.count {
            if place < pattern.count, pattern[place] == star {
                place += 1
                retry = (at, place)
            } else if place < pattern.count, fits(parts[at], pattern[place]) {
                (at, place) = (at + 1, place + 1)
            } else if let last = retry {
                (at, place) = (last.at + 1, last.place)
                retry = (at, place)
            } else {
                return nil
            }
        }
        return place
    }
}

/// One element of a name with `*`, `?` or `[…]` in it.
enum WildElement: Hashable, Sendable {
    case anyText
    case anyScalar
    case scalar(Unicode.Scalar)
    case set([ClosedRange<Unicode.Scalar>], isNegated: Bool)

    /// Reads a name; a `[` that no `]` closes stands for itself.
    static func parse(_ text: Substring) -> [Self] {
        let scalars = Array(text.unicodeScalars)
        let lastBracket = scalars.lastIndex(of: "]") ?? -1
        var elements: [Self] = []
        var place = 0
        while place < scalars.count {
            switch scalars[place] {
            case "*": if elements.last != .anyText { elements.append(.anyText) }
            case "?": elements.append(.anyScalar)
            case "[" where lastBracket > place + 1:
                // A `]` right after the `[` is a member of the set.
                let end = scalars[(place + 2)...].firstIndex(of: "]") ?? lastBracket
                elements.append(self.set(scalars[(place + 1)..<end]))
                place = end
            case let scalar: elements.append(.scalar(scalar))
            }
            place += 1
        }
        return elements
    }

    private static func set(_ text: ArraySlice<Unicode.Scalar>) -> Self {
        let isNegated = text.count > 1 && (text.first == "!" || text.first == "^")
        let members = Array(isNegated ? text.dropFirst() : text)
        var ranges: [ClosedRange<Unicode.Scalar>] = []
        var index = 0
        while index < members.count {
            if index + 2 < members.count, members[index + 1] == "-" {
                // A range that ends before it starts has no members.
                if members[index] <= members[index + 2] { ranges.append(members[index]...members[index + 2]) }
                index += 3
            } else {
                ranges.append(members[index]...members[index])
                index += 1
            }
        }
        return .set(ranges, isNegated: isNegated)
    }

    func matches(_ scalar: Unicode.Scalar) -> Bool {
        switch self {
        case .anyText, .anyScalar: true
        case .scalar(let own): own == scalar
        case .set(let ranges, let isNegated): ranges.contains { $0.contains(scalar) } != isNegated
        }
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

public import CacheModel

/// Whether the jobs of a project trust each other.
public enum ProjectMode: String, Hashable, Sendable, Codable, CaseIterable {
    /// One scope for all jobs: CircleCI's semantics. Forks have scopes of their own.
    case shared
    /// A scope for each branch, pull request and tag; each reads from its own and from those above it.
    case isolated
}

/// What the operator has decided for a project.
public struct ProjectRules: Hashable, Sendable {
    /// Whether the project's jobs trust each other.
    public var mode: ProjectMode
    /// The branch whose entries all others may read.
    public var defaultBranch: String
    /// Names of other branches whose scopes are protected; `*` stands for any text.
    public var protectedBranches: [String]
    /// Whether pull requests from forks may read what the project's own may.
    public var forksRead: Bool
    /// Whether pull requests from forks may save into their own scope.
    public var forksSave: Bool
    /// Whether developers may save into their own scope.
    public var developersSave: Bool

    /// Creates rules; the defaults are those of a project that nobody configured.
    public init(
        mode: ProjectMode = .shared,
        defaultBranch: String = "main",
        protectedBranches: [String] = ["release/*"],
        forksRead: Bool = false,
        forksSave: Bool = false,
        developersSave: Bool = false
    ) {
        self.mode = mode
        self.defaultBranch = defaultBranch
        self.protectedBranches = protectedBranches
        self.forksRead = forksRead
        self.forksSave = forksSave
        self.developersSave = developersSave
    }

    /// The scope that every principal of the project may read from, forks only if ``forksRead`` says so.
    public var mainScope: Scope? {
        switch self.mode {
        case .shared: .shared
        case .isolated: Scope.branch(self.defaultBranch)
        }
    }

    /// Whether a branch is the default branch or another protected one.
    public func isProtected(branch: String) -> Bool {
        self.isDefault(branch: branch) || self.protectedBranches.contains { NamePattern($0).matches(branch) }
    }

    /// Whether a branch is the default branch: git tells branches apart that only look the same.
    func isDefault(branch: String) -> Bool { branch.utf8.elementsEqual(self.defaultBranch.utf8) }
}

/// A name with `*` for any text, the empty one included; bytes are compared, as git does.
struct NamePattern {
    private let parts: [ArraySlice<UInt8>]

    init(_ text: String) {
        self.parts = Array(text.utf8).split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false)
    }

    /// Takes the leftmost place for each part, so the time is bounded by the product of the lengths.
    func matches(_ name: String) -> Bool {
        let name = Array(name.utf8)
        guard self.parts.count > 1, let first = self.parts.first, let last = self.parts.last else {
            return self.parts.first.map { $0.elementsEqual(name) } ?? name.isEmpty
        }
        guard name.starts(with: first) else { return false }
        var rest = name.dropFirst(first.count)
        for part in self.parts.dropFirst().dropLast() where !part.isEmpty {
            guard let range = rest.firstRange(of: part) else { return false }
            rest = rest[range.upperBound...]
        }
        return rest.count >= last.count && rest.suffix(last.count).elementsEqual(last)
    }
}

/// Which projects a credential is for: `owner/name`, `owner/*`, or `*` for all.
public struct ProjectPattern: Hashable, Sendable, CustomStringConvertible {
    /// The pattern's text.
    public let description: String

    /// Parses a pattern.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest`.
    public init(_ text: String) throws(CacheError) {
        if text.hasSuffix("/*") {
            _ = try ProjectName(owner: String(text.dropLast(2)), name: "any")
        } else if text != "*" {
            _ = try ProjectName(text)
        }
        self.description = text
    }

    /// The pattern that only one project matches.
    public init(_ project: ProjectName) { self.description = project.description }

    /// All projects.
    public static let all = Self(unchecked: "*")

    private init(unchecked text: String) { self.description = text }

    /// Whether the pattern covers a project.
    public func covers(_ project: ProjectName) -> Bool {
        self.description == "*" || self.description == "\(project.owner)/*" || self.description == project.description
    }
}

extension Scope {
    /// The scope of a branch, or `nil` if its name cannot be part of one.
    public static func branch(_ name: String) -> Self? { try? Self("branch/\(name)") }
    /// The scope of a pull or merge request.
    public static func pullRequest(_ number: String) -> Self? { try? Self("pr/\(number)") }
    /// The scope of a tag.
    public static func tag(_ name: String) -> Self? { try? Self("tag/\(name)") }
    /// The scope of a person.
    public static func developer(_ name: String) -> Self? { try? Self("dev/\(name)") }
}

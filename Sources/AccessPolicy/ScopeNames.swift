public import CacheModel

extension Scope {
    /// The scope of a branch, or `nil` if its name cannot be part of one.
    public static func branch(_ name: String) -> Self? { self.below("branch/", name) }
    /// The scope of a pull or merge request.
    public static func pullRequest(_ number: String) -> Self? { self.below("pr/", number) }
    /// The scope of a tag.
    public static func tag(_ name: String) -> Self? { self.below("tag/", name) }
    /// The scope of a person.
    public static func developer(_ name: String) -> Self? { self.below("dev/", name) }

    private static func below(_ kind: String, _ name: String) -> Self? {
        name.isEmpty ? nil : try? Self(kind + name)
    }
}

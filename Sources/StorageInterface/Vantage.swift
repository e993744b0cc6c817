package import CacheModel

/// Whose eyes see: a project, and which of its scopes.
///
/// Where the jobs of a project do not trust each other, what one of them is told must not depend on what the others
/// store. Neither may a job learn that a blob is there, nor be given a layer that another job vouches for.
package struct Vantage: Hashable, Sendable {
    /// The project.
    package var project: ProjectName
    /// The scopes whose entries count, or `nil` for all scopes of the project.
    package var scopes: [Scope]?

    /// Creates a vantage; there is no default for `scopes`, because leaving them out shows everything.
    package init(_ project: ProjectName, scopes: [Scope]?) {
        self.project = project
        self.scopes = scopes
    }

    /// Whether the entries of a scope count.
    package func sees(_ scope: Scope) -> Bool {
        guard let scopes = self.scopes else { return true }
        return scopes.contains { $0.text.utf8.elementsEqual(scope.text.utf8) }
    }
}

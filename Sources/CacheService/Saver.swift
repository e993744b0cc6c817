package import CacheModel
package import StorageInterface

/// Who saves: what they may see meanwhile, where they save to, and which of their saves it is.
package struct Saver: Hashable, Sendable {
    /// The project, and the scopes whose entries may be shared with; see ``StorageInterface/Vantage``.
    package var vantage: Vantage
    /// The scope that is saved to, if it is known before the commit: it decides whom the save may push out.
    package var scope: Scope?
    /// The client's name for the save.
    package var session: String
    /// Whose session it is, or `nil` where the jobs of a project trust each other.
    ///
    /// Clients choose the names of sessions. What a session has pinned its owner may refer to, so the session of
    /// another owner is another one, even if its name is the same.
    package var owner: String?

    /// Creates a saver.
    package init(vantage: Vantage, scope: Scope?, session: String, owner: String?) {
        self.vantage = vantage
        self.scope = scope
        self.session = session
        self.owner = owner
    }

    /// Tells all saves apart.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` if the client's name is none.
    package var sessionName: String {
        get throws(CacheError) {
            let isSound =
                (8...64).contains(self.session.utf8.count)
                && self.session.utf8.allSatisfy { (0x21...0x7e).contains($0) }
            guard isSound else {
                throw CacheError(.invalidRequest, "a session is 8 to 64 printable characters, made up by the client")
            }
            // No client's name has a space in it.
            return self.owner.map { "\(self.session) \($0)" } ?? self.session
        }
    }
}

extension CacheService {
    /// The catalog's session of a save.
    func session(of saver: Saver) throws -> SaveSession {
        SaveSession(
            id: try saver.sessionName,
            vantage: saver.vantage,
            isUnprotected: saver.scope?.isUnprotected ?? false,
            expiresAt: self.now() + self.configuration.sessionTime
        )
    }
}

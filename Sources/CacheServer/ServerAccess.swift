package import AccessControl
package import AccessPolicy
package import CacheModel
internal import Glibc
internal import StorageInterface

/// What decides about access beside the tokens of the data folder.
package struct AccessSetup: Sendable {
    /// What the operator has decided for a project.
    package var rules: @Sendable (ProjectName) -> ProjectRules
    /// Who is asked about credentials that are no tokens.
    package var sources: [any CredentialSource]
    /// Whether the server is closed although it may have no token.
    package var isClosed: Bool

    /// Creates a setup; the defaults are those of a server that nobody configured.
    package init(
        rules: @escaping @Sendable (ProjectName) -> ProjectRules = { _ in ProjectRules() },
        sources: [any CredentialSource] = [],
        isClosed: Bool = false
    ) {
        self.rules = rules
        self.sources = sources
        self.isClosed = isClosed
    }
}

extension AccessControl {
    /// Loads the tokens of a data folder.
    ///
    /// That there were tokens is noted beside the database too: a server whose database is lost stays closed.
    convenience init(folder: DataFolder, store: any TokenStore, _ setup: AccessSetup = AccessSetup()) async throws {
        let mark = folder.path + "/closed"
        try await self.init(
            store: store,
            isClosed: setup.isClosed || Glibc.access(mark, F_OK) == 0,
            additional: setup.sources,
            rules: setup.rules,
            onFirstToken: {
                guard Glibc.access(mark, F_OK) != 0 else { return }
                try AtomicFile.write("there are tokens: nobody is served without one\n", to: mark, mode: 0o600)
                try AtomicFile.syncFolder(folder.path)
            }
        )
    }
}

extension ServerConfiguration {
    /// Refuses to serve other machines without credentials.
    ///
    /// - Throws: ``ConfigurationProblems``.
    package func requireNotExposed(isClosed: Bool) throws(ConfigurationProblems) {
        guard !isClosed, !self.isOpen, !Self.isLoopback(self.host) else { return }
        throw ConfigurationProblems(problems: [
            "listen: '\(self.host)' can be reached from other machines, and without tokens everybody there could read "
                + "and poison caches; make a token with tarnd token create --data '\(self.data)' --role admin, "
                + "listen on 127.0.0.1, or say --insecure-open"
        ])
    }
}

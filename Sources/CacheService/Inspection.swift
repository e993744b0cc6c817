package import CacheModel
package import StorageInterface

// What people ask. Reads go straight to the catalog; changes are one transaction there.

extension CacheService {
    /// A page of entries.
    package func entries(_ filter: EntryFilter) async throws -> EntryPage { try await self.catalog.entries(filter) }

    /// The visible entry with exactly this key.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `notFound`.
    package func entry(_ key: CacheKey, in project: ProjectName, scope: Scope) async throws -> Entry {
        let query = KeyQuery([KeyPattern(key, match: .exact)], in: project, scopes: [scope])
        guard let resolution = try await self.catalog.resolve(query, at: self.now()) else {
            throw CacheError(.notFound, "there is no entry '\(key)' in project \(project)")
        }
        return resolution.entry
    }

    /// Removes, brings back, pins or unpins entries.
    package func change(_ change: EntryChange) async throws -> [Entry] {
        defer { self.visibility.tick() }
        return try await self.removing { try await self.catalog.change(change, at: self.now()) }
    }

    /// What happened to a key and to keys that start with it, newest first.
    package func history(of key: CacheKey, in vantage: Vantage, limit: Int) async throws -> [HistoryEvent] {
        try await self.catalog.history(of: key, in: vantage, limit: limit)
    }

    /// Figures of one project, or of all.
    package func statistics(of project: ProjectName?) async throws -> Statistics {
        try await self.flushTraffic()
        return try await self.catalog.statistics(of: project)
    }
}

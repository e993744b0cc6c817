internal import CacheModel
internal import GRDB

extension SQLiteCatalog {
    /// Copies the database as it is at one moment, also one that another process has open; blocks.
    ///
    /// Reads the source through a connection that cannot write to it, and holds up nobody.
    ///
    /// - Parameters:
    ///   - source: The database file.
    ///   - target: The new file, which must not be there.
    /// - Throws: ``CacheModel/CacheError``: `corrupt` if the source is damaged, `quotaExceeded` if the disk is full.
    package static func copy(_ source: String, to target: String) throws {
        let catalog = try SQLiteCatalog(path: source, access: .readOnly, readers: 1)
        do {
            let copy = try DatabaseQueue(path: target)
            try catalog.pool.backup(to: copy)
            try copy.close()
        } catch {
            throw CatalogFailure.wrap(error)
        }
        try catalog.close()
    }
}

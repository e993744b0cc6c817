package import CacheModel

/// Everything the service knows about its entries, layers and blobs.
///
/// Each method is one transaction, named after what the service does and not
/// after a table. Those that take an `actor` write into the audit log, in the
/// same transaction, what they did and that the actor did it. A method that would need two calls to be correct is a
/// missing method. There are at most twelve; what only people ask for is in
/// ``CatalogInspection``.
///
/// Answers about blobs and layers are always given for one ``Vantage``, so that
/// nobody learns what others store.
///
/// With all scopes of a project a blob is *visible* if a layer or an entry of
/// the project lists it, or if a save session of the project holds a pin on it.
///
/// With some scopes only what their entries list is visible, and what the very
/// session that asks has pinned. Removed entries count until they are
/// forgotten: a restore that has begun ends well, and a blob cannot lie about
/// its bytes. Layers can, because the server believes a client that the chunks
/// hold what the members say. So a *known layer* is one of a visible entry in
/// one of the scopes, as that entry has it; a removed one does not vouch for it.
package protocol Catalog: CatalogInspection, AuditLog {
    /// The best entry for `query`, if there is one; see ``CacheModel/KeyQuery`` for what is best.
    func resolve(_ query: KeyQuery, at now: Timestamp) async throws -> Resolution?

    /// The newest layer with this tree digest that the session's vantage may be given, pinned by the session.
    ///
    /// The pin and the answer are one transaction: a layer reported as known cannot be collected before the
    /// session ends.
    func knownLayer(_ tree: Digest, for session: SaveSession) async throws -> Layer?

    /// Pins the blobs that are visible to the session and returns the others, in order.
    func pin(_ digests: [Digest], for session: SaveSession) async throws -> [Digest]

    /// Records blobs whose bytes are durable, and pins them for the session.
    ///
    /// A blob that was condemned comes back to life with a new generation.
    func recordStored(_ blobs: [BlobRecord], for session: SaveSession) async throws

    /// Looks blobs up that are visible from a vantage, or to a session that has it; others are left out.
    func blobs(
        _ digests: [Digest],
        in vantage: Vantage,
        session: SaveSession?
    ) async throws -> [Digest: BlobRecord]

    /// Makes an entry visible, and ends the session's pins if `session` is given.
    ///
    /// - Throws: ``CacheError`` with code `invalidRequest` if a blob of a layer is not visible to the session.
    func commit(_ commit: Commit, actor: String) async throws -> CommitOutcome

    /// Ends a save that will not be committed: its pins are gone, and what only it held can be collected.
    func end(_ session: SaveSession) async throws

    /// Removes, brings back, pins or unpins entries; returns those that were changed.
    func change(_ change: EntryChange, at now: Timestamp, actor: String) async throws -> [Entry]

    /// Adds traffic noted since the last call. Losing some on a crash is fine.
    func note(_ traffic: Traffic) async throws

    /// Removes entries that have expired, then the least recently used ones while `policy` is exceeded; forgets
    /// removed entries whose time for being brought back is over, or at once while a budget is exceeded.
    ///
    /// Entries of unprotected scopes go first where `policy` does not allow others to go, where they hold more than
    /// their share of the whole budget, and for the sake of a project's limits. Among them the least recently used
    /// goes, whatever its size.
    ///
    /// Pinned entries stay, and so do those in `leased`: somebody is restoring them. Works in steps: removes at most `limit` entries, call it again while it returns any.
    func evict(
        by policy: EvictionPolicy,
        keepRemovedSince undoLimit: Timestamp,
        except leased: Set<Int64>,
        at now: Timestamp,
        limit: Int,
        actor: String
    )
        async throws -> EvictionReport

    /// Ends expired sessions, releases layers that no entry uses and nobody reads, and condemns up to `limit`
    /// blobs that no layer lists and no session pins. Returns these and any that an earlier crash left condemned.
    func condemn(limit: Int, except leased: Set<Digest>, at now: Timestamp) async throws -> [CondemnedBlob]

    /// Runs `delete` for those of `blobs` that are still condemned with the same generation, then forgets them.
    ///
    /// No blob can be recorded again while `delete` runs for it. Returns the bytes that were freed.
    func forget(
        _ blobs: [CondemnedBlob],
        deleting delete: @Sendable ([Digest]) async throws -> Void
    ) async throws
        -> Int
}

/// What people ask the catalog: listings, figures, history and repairs.
package protocol CatalogInspection: Sendable {
    /// A page of entries in the order of their keys, then newest first.
    func entries(_ filter: EntryFilter) async throws -> EntryPage
    /// One visible entry by its identifier, to check that it is still there.
    func entry(_ id: Int64) async throws -> Entry?

    /// The stored bytes of all blobs that are recorded or condemned: what the store's files add up to. Cheap.
    func storedBytes() async throws -> Int
    /// The stored bytes that only unprotected scopes hold: blobs whose entries are all theirs, and blobs that no entry
    /// needs and their save sessions pin.
    func unprotectedBytes() async throws -> Int
    /// The number of a project's entries, removed ones included. Cheap.
    func entryCount(of project: ProjectName) async throws -> Int
    /// Figures of one project, or of all.
    func statistics(of project: ProjectName?) async throws -> Statistics
    /// What happened to a key and to keys that start with it, newest first.
    func history(of key: CacheKey, in vantage: Vantage, limit: Int) async throws -> [HistoryEvent]
    /// The newest entries that were made from the same template, for explaining a miss.
    func relatives(ofTemplate template: String, in vantage: Vantage, limit: Int) async throws -> [Entry]
    /// What ``Catalog/evict(by:keepRemovedSince:except:at:limit:actor:)`` and ``Catalog/condemn(limit:except:at:)`` would do
    /// in all, without doing it.
    func previewCollection(
        by policy: EvictionPolicy,
        keepRemovedSince undoLimit: Timestamp,
        except leased: Set<Int64>,
        at now: Timestamp
    ) async throws -> CollectionPreview
    /// Blobs in the order of their digests, for checks.
    func allBlobs(after cursor: Digest?, limit: Int) async throws -> [BlobRecord]
    /// Marks blobs as missing: entries that need them become misses, a later upload heals them.
    ///
    /// Returns the entries that are no longer visible.
    func markMissing(_ digests: [Digest], at now: Timestamp, actor: String) async throws -> [Entry]
    /// Checks the database itself and the sums it keeps; one line per problem.
    func check() async throws -> [String]
}

package import CacheModel

/// Everything the service knows about its entries, layers and blobs.
///
/// Each method is one transaction, named after what the service does and not
/// after a table. A method that would need two calls to be correct is a
/// missing method. There are at most twelve; what only people ask for is in
/// ``CatalogInspection``.
///
/// A blob is *visible* to a project if a layer of the project lists it, or if
/// a save session of the project holds a pin on it. Answers about blobs are
/// always given for one project, so that nobody learns what others store.
package protocol Catalog: CatalogInspection {
    /// The best entry for `query`, if there is one; see ``CacheModel/KeyQuery`` for what is best.
    func resolve(_ query: KeyQuery, at now: Timestamp) async throws -> Resolution?

    /// The newest layer of the project with this tree digest, pinned by the session.
    ///
    /// The pin and the answer are one transaction: a layer reported as known cannot be collected before the
    /// session ends.
    func knownLayer(_ tree: Digest, for session: SaveSession) async throws -> Layer?

    /// Pins the blobs that are visible to the session's project and returns the others, in order.
    func pin(_ digests: [Digest], for session: SaveSession) async throws -> [Digest]

    /// Records blobs whose bytes are durable, and pins them for the session.
    ///
    /// A blob that was condemned comes back to life with a new generation.
    func recordStored(_ blobs: [BlobRecord], for session: SaveSession) async throws

    /// Looks blobs up that are visible to the project; others are left out.
    func blobs(_ digests: [Digest], in project: ProjectName) async throws -> [Digest: BlobRecord]

    /// Makes an entry visible, and ends the session's pins if `session` is given.
    ///
    /// - Throws: ``CacheError`` with code `invalidRequest` if a blob of a layer is not visible to the project.
    func commit(_ commit: Commit) async throws -> CommitOutcome

    /// Ends a save that will not be committed: its pins are gone, and what only it held can be collected.
    func end(_ session: SaveSession) async throws

    /// Removes, brings back, pins or unpins entries; returns those that were changed.
    func change(_ change: EntryChange, at now: Timestamp) async throws -> [Entry]

    /// Adds traffic noted since the last call. Losing some on a crash is fine.
    func note(_ traffic: Traffic) async throws

    /// Removes entries that have expired, then the least recently used ones while `policy` is exceeded; forgets
    /// removed entries whose time for being brought back is over, or at once while a budget is exceeded.
    ///
    /// Pinned entries stay, and so do those in `leased`: somebody is restoring them. Works in steps: removes at most `limit` entries, call it again while it returns any.
    func evict(
        by policy: EvictionPolicy,
        keepRemovedSince undoLimit: Timestamp,
        except leased: Set<Int64>,
        at now: Timestamp,
        limit: Int
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
    /// Figures of one project, or of all.
    func statistics(of project: ProjectName?) async throws -> Statistics
    /// What happened to a key and to keys that start with it, newest first.
    func history(of key: CacheKey, in project: ProjectName, limit: Int) async throws -> [HistoryEvent]
    /// The newest entries that were made from the same template, for explaining a miss.
    func relatives(ofTemplate template: String, in project: ProjectName, limit: Int) async throws -> [Entry]
    /// What ``Catalog/evict(by:keepRemovedSince:except:at:limit:)`` and ``Catalog/condemn(limit:except:at:)`` would do
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
    func markMissing(_ digests: [Digest], at now: Timestamp) async throws -> [Entry]
    /// Checks the database itself and the sums it keeps; one line per problem.
    func check() async throws -> [String]
}

/// A client's save in progress: what it pins cannot be collected until the session ends or expires.
package struct SaveSession: Hashable, Sendable {
    /// The client's random name for the save, at most 64 bytes.
    package var id: String
    /// The project that is saved to.
    package var project: ProjectName
    /// When the pins end by themselves; every use moves it forward.
    package var expiresAt: Timestamp

    package init(id: String, project: ProjectName, expiresAt: Timestamp) {
        self.id = id
        self.project = project
        self.expiresAt = expiresAt
    }
}

/// An entry and how it was found.
package struct Resolution: Hashable, Sendable {
    /// The entry.
    package var entry: Entry
    /// The index of the pattern that found it.
    package var patternIndex: Int
    /// Whether the entry's key is the pattern itself.
    package var isExact: Bool

    package init(entry: Entry, patternIndex: Int, isExact: Bool) {
        self.entry = entry
        self.patternIndex = patternIndex
        self.isExact = isExact
    }
}

/// What the catalog knows about a blob.
package struct BlobRecord: Hashable, Sendable {
    package var digest: Digest
    package var encoding: BlobEncoding
    /// The number of raw bytes.
    package var size: Int
    /// The number of bytes in the stored form.
    package var storedSize: Int

    package init(digest: Digest, encoding: BlobEncoding, size: Int, storedSize: Int) {
        self.digest = digest
        self.encoding = encoding
        self.size = size
        self.storedSize = storedSize
    }
}

/// An entry to be made visible.
package struct Commit: Sendable {
    /// What to do if the key is taken.
    package enum Conflict: Hashable, Sendable {
        /// Keep the entry that is there: keys are immutable.
        case keep
        /// Put this one in its place; the old one can be brought back.
        case replace
    }

    package var project: ProjectName
    package var scope: Scope
    package var key: CacheKey
    package var layers: [CommittedLayer]
    package var provenance: Provenance
    package var createdAt: Timestamp
    package var expiresAt: Timestamp?
    package var onConflict: Conflict
    /// The blob with the entry's own description, from which a lost database is rebuilt.
    package var record: Digest
    /// The session whose pins end with the commit.
    package var session: SaveSession?

    package init(
        project: ProjectName,
        scope: Scope,
        key: CacheKey,
        layers: [CommittedLayer],
        provenance: Provenance,
        createdAt: Timestamp,
        expiresAt: Timestamp?,
        onConflict: Conflict,
        record: Digest,
        session: SaveSession?
    ) {
        self.project = project
        self.scope = scope
        self.key = key
        self.layers = layers
        self.provenance = provenance
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.onConflict = onConflict
        self.record = record
        self.session = session
    }
}

/// A layer of a commit with everything it refers to.
package struct CommittedLayer: Hashable, Sendable {
    package var layer: Layer
    /// The blobs that the recipe lists: chunks in order, duplicates allowed, and the member digests.
    package var blobs: [Digest]

    package init(layer: Layer, blobs: [Digest]) {
        self.layer = layer
        self.blobs = blobs
    }
}

/// What a commit did.
package enum CommitOutcome: Hashable, Sendable {
    /// The entry is visible.
    case committed(Entry)
    /// The key was taken by this entry; nothing was changed.
    case exists(Entry)
}

/// A change to entries that exist.
package struct EntryChange: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        /// Makes entries invisible; they can be brought back for a time.
        case remove(Removal.Reason)
        /// Brings the newest removed entry of each key back, where the key is free.
        case restore
        case pin
        case unpin
    }

    package enum Target: Hashable, Sendable {
        case key(CacheKey)
        case prefix(CacheKey)
    }

    package var action: Action
    package var target: Target
    package var project: ProjectName
    /// The scope, or `nil` for all scopes of the project.
    package var scope: Scope?
    /// Whether to say what would be changed without changing it.
    package var isDryRun: Bool

    package init(_ action: Action, _ target: Target, in project: ProjectName, scope: Scope?, isDryRun: Bool = false) {
        self.action = action
        self.target = target
        self.project = project
        self.scope = scope
        self.isDryRun = isDryRun
    }
}

/// Restores, misses and saves since the last note.
package struct Traffic: Hashable, Sendable {
    /// The figures of one key family in one project.
    package struct Family: Hashable, Sendable {
        package var project: ProjectName
        /// The key template that the keys were made from, or the key itself where there was none.
        package var name: String

        package init(project: ProjectName, name: String) {
            self.project = project
            self.name = name
        }
    }

    /// What happened in a family.
    package struct Counts: Hashable, Sendable {
        package var exactHits = 0
        package var prefixHits = 0
        package var misses = 0
        package var saves = 0
        /// Saves whose content was there already.
        package var knownSaves = 0
        package var bytesSent = 0
        package var bytesReceived = 0

        package init() {}
    }

    /// The last use of each entry, by its identifier.
    package var uses: [Int64: Timestamp] = [:]
    /// The figures by key family.
    package var families: [Family: Counts] = [:]

    package init() {}

    /// Whether nothing has happened.
    package var isEmpty: Bool { self.uses.isEmpty && self.families.isEmpty }
}

/// What an eviction step did.
package struct EvictionReport: Hashable, Sendable {
    /// The entries that are no longer visible.
    package var removed: [Entry]
    /// How many removed entries can no longer be brought back.
    package var forgotten: Int
    /// Whether a budget is still exceeded once everything that can be collected is collected.
    package var isOverBudget: Bool

    package init(removed: [Entry], forgotten: Int, isOverBudget: Bool) {
        self.removed = removed
        self.forgotten = forgotten
        self.isOverBudget = isOverBudget
    }
}

/// What a collection would do.
package struct CollectionPreview: Hashable, Sendable {
    /// Entries that would no longer be visible.
    package var entries: Int
    /// Blobs that would be deleted.
    package var blobs: Int
    /// The stored bytes of these.
    package var bytes: Int

    package init(entries: Int, blobs: Int, bytes: Int) {
        self.entries = entries
        self.blobs = blobs
        self.bytes = bytes
    }
}

/// A blob whose bytes are about to be deleted.
package struct CondemnedBlob: Hashable, Sendable {
    package var digest: Digest
    /// Grows each time the blob is stored anew, so that a late deletion cannot hit a new copy.
    package var generation: Int64
    package var storedSize: Int

    package init(digest: Digest, generation: Int64, storedSize: Int) {
        self.digest = digest
        self.generation = generation
        self.storedSize = storedSize
    }
}

/// Which entries to list.
package struct EntryFilter: Hashable, Sendable {
    package var project: ProjectName?
    package var scope: Scope?
    package var prefix: String
    /// Whether to list removed entries, too.
    package var includesRemoved: Bool
    /// Where the last page ended.
    package var cursor: String?
    package var limit: Int

    package init(
        project: ProjectName? = nil,
        scope: Scope? = nil,
        prefix: String = "",
        includesRemoved: Bool = false,
        cursor: String? = nil,
        limit: Int = 100
    ) {
        self.project = project
        self.scope = scope
        self.prefix = prefix
        self.includesRemoved = includesRemoved
        self.cursor = cursor
        self.limit = limit
    }
}

/// A page of entries.
package struct EntryPage: Hashable, Sendable {
    package var entries: [Entry]
    /// Where the next page starts, or `nil` on the last one.
    package var cursor: String?

    package init(entries: [Entry], cursor: String?) {
        self.entries = entries
        self.cursor = cursor
    }
}

/// Figures of a project or of the whole store.
package struct Statistics: Hashable, Sendable {
    package var entries = 0
    package var pinnedEntries = 0
    package var removedEntries = 0
    package var layers = 0
    package var blobs = 0
    /// Bytes of all entries' tars, as if each were stored alone.
    package var logicalBytes = 0
    /// Raw bytes of the blobs that are stored.
    package var rawBytes = 0
    /// Bytes of the blobs in their stored form.
    package var storedBytes = 0
    /// Entries that are gone, by reason.
    package var removals: [Removal.Reason: Int] = [:]
    /// Traffic by key family.
    package var families: [Traffic.Family: Traffic.Counts] = [:]

    package init() {}
}

/// One line of a key's history.
package struct HistoryEvent: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case saved
        case removed(Removal.Reason)
        case restoredByHand
    }

    package var key: CacheKey
    package var scope: Scope
    package var kind: Kind
    package var at: Timestamp
    /// What else is worth saying: "least recently used, 52 GB over a budget of 50 GB".
    package var detail: String

    package init(key: CacheKey, scope: Scope, kind: Kind, at: Timestamp, detail: String) {
        self.key = key
        self.scope = scope
        self.kind = kind
        self.at = at
        self.detail = detail
    }
}

package import CacheModel

// What the verbs of ``Catalog`` and ``CatalogInspection`` take and give.

/// A client's save in progress: what it pins cannot be collected until the session ends or expires.
package struct SaveSession: Hashable, Sendable {
    /// The client's random name for the save, and whose it is where that matters; see `CacheService/Saver`.
    package var id: String
    /// The project that is saved to, and what of it may be seen.
    package var vantage: Vantage
    /// Whether the save is to an unprotected scope.
    package var isUnprotected: Bool
    /// When the pins end by themselves; every use moves it forward.
    package var expiresAt: Timestamp

    package init(id: String, vantage: Vantage, isUnprotected: Bool = false, expiresAt: Timestamp) {
        self.id = id
        self.vantage = vantage
        self.isUnprotected = isUnprotected
        self.expiresAt = expiresAt
    }

    /// The project that is saved to.
    package var project: ProjectName { self.vantage.project }
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

    /// What the save may refer to; everything of the project if there is no session.
    package var vantage: Vantage { self.session?.vantage ?? Vantage(self.project, scopes: nil) }
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
    /// The scopes that may be listed at all, or `nil` for all.
    package var scopes: [Scope]?
    package var prefix: String
    /// Whether to list removed entries, too.
    package var includesRemoved: Bool
    /// Where the last page ended.
    package var cursor: String?
    package var limit: Int

    package init(
        project: ProjectName? = nil,
        scope: Scope? = nil,
        scopes: [Scope]? = nil,
        prefix: String = "",
        includesRemoved: Bool = false,
        cursor: String? = nil,
        limit: Int = 100
    ) {
        self.project = project
        self.scope = scope
        self.scopes = scopes
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

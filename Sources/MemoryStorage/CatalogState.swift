internal import CacheModel
internal import StorageInterface

/// The rows of a catalog in memory.
struct CatalogState {
    struct Row {
        var entry: Entry
        var record: Digest

        /// The blobs that belong to the entry and not to its layers.
        var ownBlobs: [Digest] { [self.record] + self.entry.layers.map(\.stamps) }
    }

    struct LayerRow {
        var id: Int64
        var layer: Layer
        var blobs: Set<Digest>
    }

    struct LayerName: Hashable {
        var project: ProjectName
        var recipe: Digest
    }

    struct BlobRow {
        enum State { case present, condemned, missing }

        var order: Int64
        var record: BlobRecord
        var state: State = .present
        var generation: Int64 = 1
    }

    struct SessionName: Hashable {
        var project: ProjectName
        var id: [UInt8]

        init(_ session: SaveSession) {
            self.project = session.project
            self.id = Array(session.id.utf8)
        }
    }

    struct SessionRow {
        var expiresAt: Timestamp
        var isUnprotected: Bool
        var blobs: Set<Digest> = []
        var recipes: Set<Digest> = []
    }

    struct Event {
        var project: ProjectName
        var event: HistoryEvent
    }

    var rows: [Int64: Row] = [:]
    var layers: [LayerName: LayerRow] = [:]
    var blobs: [Digest: BlobRow] = [:]
    var sessions: [SessionName: SessionRow] = [:]
    /// The entries that the eviction which is running must leave alone.
    var leased: Set<Int64> = []
    var families: [Traffic.Family: Traffic.Counts] = [:]
    var events: [Event] = []
    var removals: [ProjectName: [Removal.Reason: Int]] = [:]
    var lastID: Int64 = 0

    mutating func nextID() -> Int64 {
        self.lastID += 1
        return self.lastID
    }

    /// The blobs that layers and entries of a project list, or of all projects.
    func referredBlobs(of project: ProjectName?, onlyLive: Bool = false) -> Set<Digest> {
        var found: Set<Digest> = []
        var used: Set<LayerName> = []
        for row in self.rows.values where project == nil || row.entry.project == project {
            found.formUnion(row.ownBlobs)
            for layer in row.entry.layers { used.insert(LayerName(project: row.entry.project, recipe: layer.recipe)) }
        }
        for (name, layer) in self.layers where project == nil || name.project == project {
            if !onlyLive || used.contains(name) { found.formUnion(layer.blobs) }
        }
        return found
    }

    /// The blobs that a vantage, and a session that has it, can see.
    func visibleBlobs(in vantage: Vantage, session: SaveSession?) -> Set<Digest> {
        var found: Set<Digest> = []
        if vantage.scopes == nil {
            found = self.referredBlobs(of: vantage.project)
            for (name, session) in self.sessions where name.project == vantage.project {
                found.formUnion(session.blobs)
            }
        } else {
            for row in self.rows.values where row.entry.project == vantage.project && vantage.sees(row.entry.scope) {
                found.formUnion(self.blobs(of: row))
            }
            if let row = session.flatMap({ self.sessions[SessionName($0)] }) {
                found.formUnion(row.blobs)
                for recipe in row.recipes {
                    found.formUnion(self.layers[LayerName(project: vantage.project, recipe: recipe)]?.blobs ?? [])
                }
            }
        }
        return found.filter { self.blobs[$0]?.state == .present }
    }

    /// Everything that an entry needs.
    private func blobs(of row: Row) -> Set<Digest> {
        row.entry.layers.reduce(into: Set(row.ownBlobs)) { found, layer in
            found.formUnion(self.layers[LayerName(project: row.entry.project, recipe: layer.recipe)]?.blobs ?? [])
        }
    }

    /// The stored bytes that only entries of unprotected scopes hold.
    func looseBytes() -> Int {
        var (loose, fast): (Set<Digest>, Set<Digest>) = ([], [])
        for row in self.rows.values {
            if row.entry.scope.isUnprotected {
                loose.formUnion(self.blobs(of: row))
            } else {
                fast.formUnion(self.blobs(of: row))
            }
        }
        return self.storedBytes(of: loose.subtracting(fast))
    }

    /// The stored bytes that no entry needs and sessions of unprotected scopes pin.
    func bytesPinnedLoosely() -> Int {
        let pinned = self.sessions.values.filter(\.isUnprotected).reduce(into: Set<Digest>()) { $0.formUnion($1.blobs) }
        return self.storedBytes(of: pinned.subtracting(self.referredBlobs(of: nil, onlyLive: true)))
    }

    private func storedBytes(of digests: Set<Digest>) -> Int {
        digests.reduce(0) { $0 + (self.blobs[$1]?.record.storedSize ?? 0) }
    }

    func liveBytes(of project: ProjectName?) -> Int {
        self.storedBytes(of: self.referredBlobs(of: project, onlyLive: true))
    }

    func isMissing(_ digest: Digest) -> Bool { self.blobs[digest]?.state == .missing }

    func isDamaged(_ name: LayerName) -> Bool { self.layers[name]?.blobs.contains(where: self.isMissing) ?? true }

    func isComplete(_ row: Row) -> Bool {
        !row.ownBlobs.contains(where: self.isMissing)
            && !row.entry.layers.contains {
                self.isDamaged(LayerName(project: row.entry.project, recipe: $0.recipe))
            }
    }

    func isStillCondemned(_ blob: CondemnedBlob) -> Bool {
        guard let row = self.blobs[blob.digest] else { return false }
        return row.state == .condemned && row.generation == blob.generation
    }

    /// The visible entry with exactly this key.
    func holder(_ project: ProjectName, _ scope: Scope, _ key: CacheKey) -> Entry? {
        self.rows.values.map(\.entry).first { entry in
            entry.removal == nil && entry.project == project && entry.scope.text.utf8.elementsEqual(scope.text.utf8)
                && entry.key.text.utf8.elementsEqual(key.text.utf8)
        }
    }

    mutating func addEvent(_ kind: HistoryEvent.Kind, _ entry: Entry, at now: Timestamp, detail: String) {
        let event = HistoryEvent(key: entry.key, scope: entry.scope, kind: kind, at: now, detail: detail)
        self.events.append(Event(project: entry.project, event: event))
    }

    @discardableResult
    mutating func remove(_ id: Int64, _ reason: Removal.Reason, at now: Timestamp, detail: String) -> Entry? {
        self.rows[id]?.entry.removal = Removal(at: now, reason: reason)
        guard let entry = self.rows[id]?.entry else { return nil }
        self.removals[entry.project, default: [:]][reason, default: 0] += 1
        self.addEvent(.removed(reason), entry, at: now, detail: detail)
        return entry
    }

    mutating func bringBack(_ id: Int64, at now: Timestamp, expiryLimit: Timestamp, detail: String) {
        guard let entry = self.rows[id]?.entry, let removal = entry.removal else { return }
        self.rows[id]?.entry.removal = nil
        if let end = entry.expiresAt, end <= expiryLimit { self.rows[id]?.entry.expiresAt = nil }
        self.removals[entry.project, default: [:]][removal.reason, default: 0] -= 1
        self.addEvent(.restoredByHand, entry, at: now, detail: detail)
    }
}

extension CacheKey {
    func starts(with prefix: String) -> Bool { self.text.utf8.starts(with: prefix.utf8) }
}

/// Orders entries as listings do: by the bytes of their keys, then newest first.
func listingOrder(_ lhs: Entry, _ rhs: Entry) -> Bool {
    if lhs.key.text.utf8.elementsEqual(rhs.key.text.utf8) { return lhs.id > rhs.id }
    return lhs.key.text.utf8.lexicographicallyPrecedes(rhs.key.text.utf8)
}

internal import CacheModel
internal import StorageInterface

extension CatalogState {
    func resolve(_ query: KeyQuery, at now: Timestamp) -> Resolution? {
        for (index, pattern) in query.patterns.enumerated() {
            for scope in query.scopes {
                let matches = self.rows.values.map(\.entry).filter { entry in
                    guard entry.removal == nil, entry.project == query.project,
                        entry.scope.text.utf8.elementsEqual(scope.text.utf8),
                        entry.isPinned || entry.expiresAt.map({ $0 > now }) ?? true
                    else { return false }
                    return pattern.match == .exact
                        ? entry.key.text.utf8.elementsEqual(pattern.key.text.utf8)
                        : entry.key.starts(with: pattern.key.text)
                }
                guard let entry = matches.max(by: { $0.id < $1.id }) else { continue }
                let isExact = entry.key.text.utf8.elementsEqual(pattern.key.text.utf8)
                return Resolution(entry: entry, patternIndex: index, isExact: isExact)
            }
        }
        return nil
    }

    private mutating func touch(_ session: SaveSession) -> SessionName {
        let name = SessionName(session)
        let end = self.sessions[name]?.expiresAt ?? session.expiresAt
        let fresh = SessionRow(expiresAt: end, isUnprotected: session.isUnprotected)
        self.sessions[name, default: fresh].expiresAt = max(end, session.expiresAt)
        return name
    }

    mutating func knownLayer(_ tree: Digest, for session: SaveSession) -> Layer? {
        guard let layer = self.knownLayer(tree, in: session.vantage) else { return nil }
        let name = self.touch(session)
        self.sessions[name]?.recipes.insert(layer.recipe)
        return layer
    }

    private func knownLayer(_ tree: Digest, in vantage: Vantage) -> Layer? {
        let known = self.layers.filter { name, row in
            name.project == vantage.project && row.layer.treeDigest == tree && !self.isDamaged(name)
        }.values.sorted { $0.id > $1.id }
        guard vantage.scopes != nil else { return known.first?.layer }
        let entries = self.rows.values.map(\.entry)
            .filter { $0.project == vantage.project && $0.removal == nil && vantage.sees($0.scope) }
            .sorted { $0.id > $1.id }
        for row in known {
            for entry in entries {
                if let layer = entry.layers.last(where: { $0.recipe == row.layer.recipe }) { return layer }
            }
        }
        return nil
    }

    mutating func pin(_ digests: [Digest], for session: SaveSession) -> [Digest] {
        let visible = self.visibleBlobs(in: session.vantage, session: session)
        let name = self.touch(session)
        self.sessions[name]?.blobs.formUnion(digests.filter(visible.contains))
        return digests.filter { !visible.contains($0) }
    }

    mutating func recordStored(_ blobs: [BlobRecord], for session: SaveSession) {
        let name = self.touch(session)
        for blob in blobs {
            self.sessions[name]?.blobs.insert(blob.digest)
            guard var row = self.blobs[blob.digest] else {
                self.blobs[blob.digest] = BlobRow(order: self.nextID(), record: blob)
                continue
            }
            guard row.state != .present else { continue }
            let wasMissing = row.state == .missing
            row.record = blob
            row.state = .present
            row.generation += 1
            self.blobs[blob.digest] = row
            if wasMissing { self.heal(blob.digest) }
        }
    }

    private func needing(_ digest: Digest) -> [Row] {
        self.rows.values.filter { row in
            row.ownBlobs.contains(digest)
                || row.entry.layers.contains {
                    self.layers[LayerName(project: row.entry.project, recipe: $0.recipe)]?.blobs.contains(digest)
                        ?? false
                }
        }
    }

    private mutating func heal(_ digest: Digest) {
        for row in self.needing(digest).sorted(by: { $0.entry.id > $1.entry.id }) {
            let entry = row.entry
            guard entry.removal?.reason == .damaged, self.isComplete(row),
                self.holder(entry.project, entry.scope, entry.key) == nil
            else { continue }
            let never = Timestamp(milliseconds: .min)
            self.bringBack(entry.id, at: .current, expiryLimit: never, detail: "its bytes were uploaded again")
        }
    }

    mutating func markMissing(_ digests: [Digest], at now: Timestamp) -> [Entry] {
        var removed: [Entry] = []
        for digest in digests where self.blobs[digest]?.state == .present {
            self.blobs[digest]?.state = .missing
            self.blobs[digest]?.record.storedSize = 0
            for row in self.needing(digest).sorted(by: { $0.entry.id < $1.entry.id })
            where row.entry.removal == nil {
                let detail = "bytes it needs are missing or damaged"
                if let entry = self.remove(row.entry.id, .damaged, at: now, detail: detail) { removed.append(entry) }
            }
        }
        return removed
    }

    mutating func end(_ session: SaveSession) {
        self.sessions[SessionName(session)] = nil
    }

    mutating func commit(_ commit: Commit) throws -> CommitOutcome {
        let outcome = try self.insert(commit)
        if let session = commit.session {
            self.end(session)
        }
        return outcome
    }

    private mutating func insert(_ commit: Commit) throws -> CommitOutcome {
        if let holder = self.holder(commit.project, commit.scope, commit.key) {
            if !holder.isPinned, let end = holder.expiresAt, end <= commit.createdAt {
                self.remove(holder.id, .expired, at: commit.createdAt, detail: "its time to live ended")
            } else if commit.onConflict == .keep {
                return .exists(holder)
            } else {
                self.remove(holder.id, .replaced, at: commit.createdAt, detail: "a save replaced it")
            }
        }
        for committed in commit.layers {
            let name = LayerName(project: commit.project, recipe: committed.layer.recipe)
            let blobs = Set([committed.layer.recipe] + committed.blobs)
            if self.layers[name] != nil {
                guard !self.isDamaged(name) else { throw Self.notVisible(committed.layer.recipe) }
                if commit.vantage.scopes != nil { try self.require(Array(blobs), for: commit) }
                continue
            }
            try self.require(Array(blobs), for: commit)
            self.layers[name] = LayerRow(id: self.nextID(), layer: committed.layer, blobs: blobs)
        }
        try self.require([commit.record] + commit.layers.map(\.layer.stamps), for: commit)
        let entry = Entry(
            id: self.nextID(),
            project: commit.project,
            scope: commit.scope,
            key: commit.key,
            layers: try commit.layers.map { try self.stored($0.layer, in: commit.project) },
            provenance: commit.provenance,
            createdAt: commit.createdAt,
            lastUsedAt: commit.createdAt,
            expiresAt: commit.expiresAt
        )
        self.rows[entry.id] = Row(entry: entry, record: commit.record)
        self.addEvent(.saved, entry, at: commit.createdAt, detail: "")
        return .committed(entry)
    }

    /// The layer as the project knows it, at the place and with the stamps of this save.
    private func stored(_ layer: Layer, in project: ProjectName) throws -> Layer {
        guard var known = self.layers[LayerName(project: project, recipe: layer.recipe)]?.layer else {
            throw Self.notVisible(layer.recipe)
        }
        (known.path, known.anchor, known.stamps) = (layer.path, layer.anchor, layer.stamps)
        return known
    }

    private func require(_ digests: [Digest], for commit: Commit) throws {
        let visible = self.visibleBlobs(in: commit.vantage, session: commit.session)
        for digest in digests where !visible.contains(digest) { throw Self.notVisible(digest) }
    }

    private static func notVisible(_ digest: Digest) -> CacheError {
        CacheError(.invalidRequest, "blob \(digest) is not in the store for this project; upload it and commit again")
    }

    mutating func change(_ change: EntryChange, at now: Timestamp) -> [Entry] {
        let targets = self.targets(of: change)
        guard !change.isDryRun else { return targets }
        for entry in targets {
            switch change.action {
            case .remove(let reason): self.remove(entry.id, reason, at: now, detail: "by request")
            case .restore: self.bringBack(entry.id, at: now, expiryLimit: now, detail: "by request")
            case .pin: self.rows[entry.id]?.entry.isPinned = true
            case .unpin: self.rows[entry.id]?.entry.isPinned = false
            }
        }
        return targets.compactMap { self.rows[$0.id]?.entry }
    }

    private func targets(of change: EntryChange) -> [Entry] {
        let matches = self.rows.values.filter { row in
            let entry = row.entry
            guard entry.project == change.project,
                change.scope.map({ $0.text.utf8.elementsEqual(entry.scope.text.utf8) }) ?? true
            else { return false }
            switch change.target {
            case .key(let key): return entry.key.text.utf8.elementsEqual(key.text.utf8)
            case .prefix(let key): return entry.key.starts(with: key.text)
            }
        }.sorted { listingOrder($0.entry, $1.entry) }
        var seen: Set<[[UInt8]]> = []
        return matches.filter { row in
            let entry = row.entry
            switch change.action {
            case .remove: return entry.removal == nil
            case .pin: return entry.removal == nil && !entry.isPinned
            case .unpin: return entry.removal == nil && entry.isPinned
            case .restore:
                guard entry.removal != nil, self.isComplete(row) else { return false }
                guard seen.insert([Array(entry.scope.text.utf8), Array(entry.key.text.utf8)]).inserted else {
                    return false
                }
                return self.holder(entry.project, entry.scope, entry.key) == nil
            }
        }.map(\.entry)
    }

    mutating func note(_ traffic: Traffic) {
        for (id, use) in traffic.uses {
            guard let old = self.rows[id]?.entry.lastUsedAt, old < use else { continue }
            self.rows[id]?.entry.lastUsedAt = use
        }
        for (family, counts) in traffic.families {
            var sum = self.families[family] ?? Traffic.Counts()
            sum.exactHits += counts.exactHits
            sum.prefixHits += counts.prefixHits
            sum.misses += counts.misses
            sum.saves += counts.saves
            sum.knownSaves += counts.knownSaves
            sum.bytesSent += counts.bytesSent
            sum.bytesReceived += counts.bytesReceived
            self.families[family] = sum
        }
    }
}

internal import CacheModel
internal import StorageInterface

extension CatalogState {
    mutating func evict(
        by policy: EvictionPolicy,
        undoLimit: Timestamp,
        except leased: Set<Int64>,
        at now: Timestamp,
        limit: Int,
        actor: String
    ) -> EvictionReport {
        self.leased = leased
        defer { self.leased = [] }
        var report = EvictionReport(removed: [], forgotten: 0, isOverBudget: false)
        let expired = self.rows.values.map(\.entry).compactMap { entry -> (Timestamp, Int64)? in
            guard entry.removal == nil, !entry.isPinned, let end = entry.expiresAt, end <= now else { return nil }
            return (end, entry.id)
        }
        for (_, id) in expired.sorted(by: <).prefix(limit) {
            let entry = self.remove(id, .expired, at: now, detail: "its time to live ended", actor: actor)
            if let entry { report.removed.append(entry) }
        }
        for id in self.removed(in: nil).filter({ $0.at < undoLimit }).prefix(limit).map(\.id) {
            self.rows[id] = nil
            report.forgotten += 1
        }
        if let budget = policy.projectBudget {
            for project in Set(self.rows.values.map(\.entry.project)) {
                self.relieve(project, policy, budget, at: now, limit, actor, &report)
            }
        }
        if let most = policy.projectEntries {
            for project in Set(self.rows.values.map(\.entry.project)) {
                self.relieve(project, policy, ofEntriesOver: most, at: now, limit, actor, &report)
            }
        }
        if let budget = policy.budget {
            self.relieve(nil, policy, budget, at: now, limit, actor, &report)
        }
        if let budget = policy.unprotectedBudget {
            let pinned = self.bytesPinnedLoosely()
            while report.removed.count < limit, case let held = self.looseBytes() + pinned, held > budget,
                self.takeUnprotected(in: nil, Self.detail(held, budget), at: now, actor, &report)
            {}
        }
        report.isOverBudget = self.isOverBudget(policy)
        return report
    }

    private func isOverBudget(_ policy: EvictionPolicy) -> Bool {
        if let budget = policy.budget, self.liveBytes(of: nil) > budget { return true }
        guard let budget = policy.projectBudget else { return false }
        return Set(self.rows.values.map(\.entry.project)).contains { self.liveBytes(of: $0) > budget }
    }

    private func removed(in project: ProjectName?) -> [(at: Timestamp, id: Int64)] {
        self.rows.values.compactMap { row in
            guard project == nil || row.entry.project == project, !self.leased.contains(row.entry.id) else {
                return nil
            }
            return row.entry.removal.map { ($0.at, row.entry.id) }
        }.sorted { ($0.at, $0.id) < ($1.at, $1.id) }
    }

    private mutating func relieve(
        _ project: ProjectName?,
        _ policy: EvictionPolicy,
        _ budget: Int,
        at now: Timestamp,
        _ limit: Int,
        _ actor: String,
        _ report: inout EvictionReport
    ) {
        while report.removed.count < limit, case let live = self.liveBytes(of: project), live > budget {
            let isTheirTurn =
                project != nil || !policy.evictsProtected || self.looseBytes() > policy.unprotectedBytes(of: budget)
            let detail = Self.detail(live, budget)
            if isTheirTurn, self.takeUnprotected(in: project, detail, at: now, actor, &report) { continue }
            guard policy.evictsProtected else { return }
            if let id = self.removed(in: project).first?.id {
                self.rows[id] = nil
                report.forgotten += 1
                continue
            }
            guard let id = self.victim(in: project, policy, live, budget) else { return }
            self.evict(id, detail, at: now, actor, &report)
        }
    }

    func entryCount(of project: ProjectName) -> Int { self.rows.values.count { $0.entry.project == project } }

    private mutating func relieve(
        _ project: ProjectName,
        _ policy: EvictionPolicy,
        ofEntriesOver most: Int,
        at now: Timestamp,
        _ limit: Int,
        _ actor: String,
        _ report: inout EvictionReport
    ) {
        while report.removed.count + report.forgotten < limit,
            case let count = self.entryCount(of: project), count > most
        {
            let detail = "least recently used, the project has \(count) entries and may have \(most)"
            if self.takeUnprotected(in: project, detail, at: now, actor, &report) { continue }
            guard policy.evictsProtected else { return }
            if let id = self.removed(in: project).first?.id {
                self.rows[id] = nil
                report.forgotten += 1
                continue
            }
            guard let id = self.leastRecentlyUsed(in: project)?.id else { return }
            self.evict(id, detail, at: now, actor, &report)
        }
    }

    private func leastRecentlyUsed(in project: ProjectName) -> Entry? {
        self.rows.values.map(\.entry).filter { entry in
            entry.project == project && entry.removal == nil && !entry.isPinned && !self.leased.contains(entry.id)
        }.min { ($0.lastUsedAt, $0.id) < ($1.lastUsedAt, $1.id) }
    }

    private static func detail(_ held: Int, _ budget: Int) -> String {
        "least recently used, \(Quantity.describe(bytes: held)) over a budget of \(Quantity.describe(bytes: budget))"
    }

    /// Forgets or removes one entry of an unprotected scope, and says whether there was one.
    private mutating func takeUnprotected(
        in project: ProjectName?,
        _ detail: String,
        at now: Timestamp,
        _ actor: String,
        _ report: inout EvictionReport
    ) -> Bool {
        func isTheirs(_ id: Int64) -> Bool { self.rows[id]?.entry.scope.isUnprotected ?? false }
        if let id = self.removed(in: project).map(\.id).first(where: isTheirs) {
            self.rows[id] = nil
            report.forgotten += 1
            return true
        }
        let visible = self.rows.values.map(\.entry).filter { entry in
            entry.scope.isUnprotected && entry.removal == nil && !entry.isPinned && !self.leased.contains(entry.id)
                && (project == nil || entry.project == project)
        }
        guard let victim = visible.min(by: { ($0.lastUsedAt, $0.id) < ($1.lastUsedAt, $1.id) }) else { return false }
        self.evict(victim.id, detail, at: now, actor, &report)
        return true
    }

    private mutating func evict(
        _ id: Int64,
        _ detail: String,
        at now: Timestamp,
        _ actor: String,
        _ report: inout EvictionReport
    ) {
        if let entry = self.remove(id, .evicted, at: now, detail: detail, actor: actor) { report.removed.append(entry) }
    }

    private func victim(in project: ProjectName?, _ policy: EvictionPolicy, _ live: Int, _ budget: Int) -> Int64? {
        let visible = self.rows.values.map(\.entry).filter {
            $0.removal == nil && (project == nil || $0.project == project)
        }
        func isSmall(_ entry: Entry) -> Bool { policy.sizeClass(ofEntrySize: entry.size) == .small }
        let raw = visible.reduce(0) { $0 + $1.size }
        let rawSmall = visible.filter(isSmall).reduce(0) { $0 + $1.size }
        let share = raw == 0 ? 0 : Int(Double(live) * (Double(rawSmall) / Double(raw)))
        let small = rawSmall > 0 ? max(1, share) : 0
        let chosen = policy.classToEvict(smallBytes: small, largeBytes: live - small, of: budget)
        let unpinned = visible.filter { !$0.isPinned && !self.leased.contains($0.id) }
        let preferred = unpinned.filter { policy.sizeClass(ofEntrySize: $0.size) == chosen }
        return (preferred.isEmpty ? unpinned : preferred)
            .min { ($0.lastUsedAt, $0.id) < ($1.lastUsedAt, $1.id) }?.id
    }

    mutating func condemn(limit: Int, except leased: Set<Digest>, at now: Timestamp) -> [CondemnedBlob] {
        self.sessions = self.sessions.filter { $0.value.expiresAt > now }
        var used: Set<LayerName> = []
        for row in self.rows.values {
            for layer in row.entry.layers { used.insert(LayerName(project: row.entry.project, recipe: layer.recipe)) }
        }
        for (name, session) in self.sessions {
            for recipe in session.recipes { used.insert(LayerName(project: name.project, recipe: recipe)) }
        }
        let idle = self.layers.filter { !used.contains($0.key) }.sorted { $0.value.id < $1.value.id }
        for (name, _) in idle.prefix(limit + leased.count) where !leased.contains(name.recipe) {
            self.layers[name] = nil
        }
        let room = limit - self.blobs.values.count { $0.state == .condemned }
        var kept = self.referredBlobs(of: nil)
        for session in self.sessions.values { kept.formUnion(session.blobs) }
        let unused = self.blobs.values.filter { $0.state != .condemned && !kept.contains($0.record.digest) }
        for row in unused.sorted(by: { $0.order < $1.order }).prefix(max(0, room)) {
            self.blobs[row.record.digest]?.state = .condemned
            self.blobs[row.record.digest]?.generation += 1
        }
        return self.blobs.values.filter { $0.state == .condemned }
            .sorted { $0.order < $1.order }
            .prefix(limit)
            .map { row in
                CondemnedBlob(
                    digest: row.record.digest,
                    generation: row.generation,
                    storedSize: row.record.storedSize
                )
            }
    }

    func entries(_ filter: EntryFilter) -> EntryPage {
        let all = self.rows.values.map(\.entry).filter { entry in
            (filter.project == nil || entry.project == filter.project)
                && (filter.scopes.map { Vantage(entry.project, scopes: $0).sees(entry.scope) } ?? true)
                && entry.key.starts(with: filter.prefix) && (filter.includesRemoved || entry.removal == nil)
        }.sorted(by: listingOrder)
        // An entry keeps its place whatever happens to others, so its position in the order is a cursor.
        let last = filter.cursor.flatMap { Int64($0) }.flatMap { self.rows[$0]?.entry }
        let rest = last.map { last in all.filter { listingOrder(last, $0) } } ?? all
        let page = Array(rest.prefix(max(1, filter.limit)))
        return EntryPage(entries: page, cursor: rest.count > page.count ? page.last.map { "\($0.id)" } : nil)
    }

    func statistics(of project: ProjectName?) -> Statistics {
        var result = Statistics()
        let entries = self.rows.values.map(\.entry).filter { project == nil || $0.project == project }
        let visible = entries.filter { $0.removal == nil }
        result.entries = visible.count
        result.pinnedEntries = visible.count { $0.isPinned }
        result.removedEntries = entries.count - visible.count
        result.logicalBytes = visible.reduce(0) { $0 + $1.size }
        result.layers = self.layers.keys.count { project == nil || $0.project == project }
        let referred = project.map { self.referredBlobs(of: $0) }
        for blob in self.blobs.values
        where blob.state == .present && referred.map({ $0.contains(blob.record.digest) }) ?? true {
            result.blobs += 1
            result.rawBytes += blob.record.size
            result.storedBytes += blob.record.storedSize
        }
        for (name, counts) in self.removals where project == nil || name == project {
            for (reason, count) in counts where count > 0 { result.removals[reason, default: 0] += count }
        }
        result.families = self.families.filter { project == nil || $0.key.project == project }
        return result
    }
}

package import CacheModel
package import StorageInterface
internal import Synchronization

/// The catalog in memory, for tests and servers that keep nothing.
///
/// It derives every sum and count from the rows each time it is asked: too slow
/// for a large store, and what the other catalogs are compared with.
package final class MemoryCatalog: Catalog {
    private let state = Mutex(CatalogState())
    private let gate = DigestGate()
    private let tokenRows = Mutex<[TokenRecord]>([])

    /// Creates an empty catalog.
    package init() {}

    func withTokens<Value: Sendable, Failure: Error>(
        _ body: (inout [TokenRecord]) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let result: Result<Value, Failure> = self.tokenRows.withLock { rows in
            do throws(Failure) { return .success(try body(&rows)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// Runs `body` on a copy and keeps it only if it does not throw.
    private func transaction<Value: Sendable>(_ body: (inout CatalogState) throws -> Value) throws -> Value {
        try self.state.withLock { state in
            var copy = state
            let value = try body(&copy)
            state = copy
            return value
        }
    }

    package func resolve(_ query: KeyQuery, at now: Timestamp) async throws -> Resolution? {
        self.state.withLock { $0.resolve(query, at: now) }
    }

    package func entry(_ id: Int64) async throws -> Entry? {
        self.state.withLock { $0.rows[id].flatMap { $0.entry.removal == nil ? $0.entry : nil } }
    }

    package func knownLayer(_ tree: Digest, for session: SaveSession) async throws -> Layer? {
        try self.transaction { $0.knownLayer(tree, for: session) }
    }

    package func pin(_ digests: [Digest], for session: SaveSession) async throws -> [Digest] {
        try self.transaction { $0.pin(digests, for: session) }
    }

    package func recordStored(_ blobs: [BlobRecord], for session: SaveSession) async throws {
        try await self.gate.with(Set(blobs.map(\.digest))) {
            try self.transaction { $0.recordStored(blobs, for: session) }
        }
    }

    package func blobs(
        _ digests: [Digest],
        in vantage: Vantage,
        session: SaveSession?
    ) async throws -> [Digest: BlobRecord] {
        self.state.withLock { state in
            var found: [Digest: BlobRecord] = [:]
            let visible = state.visibleBlobs(in: vantage, session: session)
            for digest in digests where visible.contains(digest) { found[digest] = state.blobs[digest]?.record }
            return found
        }
    }

    package func commit(_ commit: Commit, actor: String) async throws -> CommitOutcome {
        try self.transaction { try $0.commit(commit, actor: actor) }
    }

    package func end(_ session: SaveSession) async throws {
        self.state.withLock { $0.end(session) }
    }

    package func previewCollection(
        by policy: EvictionPolicy,
        keepRemovedSince undoLimit: Timestamp,
        except leased: Set<Int64>,
        at now: Timestamp
    ) async throws -> CollectionPreview {
        var copy = self.state.withLock { $0 }
        var entries = 0
        while true {
            let step = copy.evict(
                by: policy,
                undoLimit: undoLimit,
                except: leased,
                at: now,
                limit: .max,
                actor: AuditEvent.server
            )
            entries += step.removed.count
            if step.removed.isEmpty, step.forgotten == 0 { break }
        }
        let blobs = copy.condemn(limit: copy.blobs.count, except: [], at: now)
        return CollectionPreview(entries: entries, blobs: blobs.count, bytes: blobs.reduce(0) { $0 + $1.storedSize })
    }

    package func storedBytes() async throws -> Int {
        self.state.withLock { $0.blobs.values.reduce(0) { $0 + $1.record.storedSize } }
    }

    package func unprotectedBytes() async throws -> Int {
        self.state.withLock { $0.looseBytes() + $0.bytesPinnedLoosely() }
    }

    package func change(_ change: EntryChange, at now: Timestamp, actor: String) async throws -> [Entry] {
        try self.transaction { $0.change(change, at: now, actor: actor) }
    }

    package func note(_ traffic: Traffic) async throws {
        try self.transaction { $0.note(traffic) }
    }

    package func evict(
        by policy: EvictionPolicy,
        keepRemovedSince undoLimit: Timestamp,
        except leased: Set<Int64>,
        at now: Timestamp,
        limit: Int,
        actor: String
    ) async throws -> EvictionReport {
        try self.transaction { state in
            state.evict(
                by: policy,
                undoLimit: undoLimit,
                except: leased,
                at: now,
                limit: limit,
                actor: actor
            )
        }
    }

    package func condemn(limit: Int, except leased: Set<Digest>, at now: Timestamp) async throws -> [CondemnedBlob] {
        try self.transaction { $0.condemn(limit: limit, except: leased, at: now) }
    }

    package func forget(
        _ blobs: [CondemnedBlob],
        deleting delete: @Sendable ([Digest]) async throws -> Void
    ) async throws -> Int {
        try await self.gate.with(Set(blobs.map(\.digest))) {
            let condemned = self.state.withLock { state in blobs.filter(state.isStillCondemned) }
            guard !condemned.isEmpty else { return 0 }
            try await delete(condemned.map(\.digest))
            return try self.transaction { state in
                condemned.reduce(0) { $0 + (state.blobs.removeValue(forKey: $1.digest)?.record.storedSize ?? 0) }
            }
        }
    }
}

extension MemoryCatalog {
    package func entries(_ filter: EntryFilter) async throws -> EntryPage {
        self.state.withLock { $0.entries(filter) }
    }

    package func entryCount(of project: ProjectName) async throws -> Int {
        self.state.withLock { $0.entryCount(of: project) }
    }

    package func statistics(of project: ProjectName?) async throws -> Statistics {
        self.state.withLock { $0.statistics(of: project) }
    }

    package func history(of key: CacheKey, in vantage: Vantage, limit: Int) async throws -> [HistoryEvent] {
        self.state.withLock { state in
            state.events.reversed()
                .filter { $0.project == vantage.project && vantage.sees($0.event.scope) }
                .filter { $0.event.key.text.utf8.starts(with: key.text.utf8) }
                .prefix(limit)
                .map(\.event)
        }
    }

    package func relatives(ofTemplate template: String, in vantage: Vantage, limit: Int) async throws -> [Entry] {
        self.state.withLock { state in
            state.rows.values.map(\.entry)
                .filter { $0.project == vantage.project && vantage.sees($0.scope) }
                .filter { $0.provenance.template.utf8.elementsEqual(template.utf8) }
                .sorted { $0.id > $1.id }
                .prefix(limit)
                .map(\.self)
        }
    }

    package func allBlobs(after cursor: Digest?, limit: Int) async throws -> [BlobRecord] {
        self.state.withLock { state in
            state.blobs.values.filter { blob in
                blob.state == .present && (cursor.map { blob.record.digest > $0 } ?? true)
            }
            .map(\.record)
            .sorted { $0.digest < $1.digest }
            .prefix(limit)
            .map(\.self)
        }
    }

    package func markMissing(_ digests: [Digest], at now: Timestamp, actor: String) async throws -> [Entry] {
        try self.transaction { $0.markMissing(digests, at: now, actor: actor) }
    }

    /// Finds nothing: there is no sum that could drift.
    package func check() async throws -> [String] { [] }
}

extension MemoryCatalog {
    package func note(_ event: AuditEvent) async throws -> AuditRow { try self.transaction { $0.append(event) } }

    package func auditPage(_ filter: AuditFilter) async throws -> AuditPage {
        self.state.withLock { $0.auditPage(filter) }
    }

    package func auditHead() async throws -> AuditHead { self.state.withLock { $0.auditHead } }

    package func auditRow(ofSaved entry: Int64) async throws -> AuditRow? {
        self.state.withLock { state in
            state.auditRows.first { $0.event.action == .saved && $0.event.entry == entry }
        }
    }

    package func trimAudit(before moment: Timestamp, limit: Int) async throws -> Int {
        self.state.withLock { $0.trimAudit(before: moment, limit: limit) }
    }
}

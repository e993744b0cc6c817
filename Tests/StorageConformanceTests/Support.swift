public import CacheModel
import DiskBlobs
import Foundation
import LayerKernels
import MemoryStorage
import NIOCore
import NIOPosix
import SQLiteCatalog
import StorageInterface
import Synchronization

/// A directory that is removed with its last reference.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        self.path = NSTemporaryDirectory() + "tarn-storage-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: self.path) }

    func files(below folder: String) -> [String] {
        let names = FileManager.default.enumerator(atPath: self.path + "/" + folder)?.allObjects as? [String] ?? []
        return names.filter { name in
            var isDirectory: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: self.path + "/\(folder)/\(name)", isDirectory: &isDirectory)
            return !isDirectory.boolValue
        }.sorted()
    }
}

enum StoreKind: String, CaseIterable, Sendable {
    case memory
    case disk
    case verifyingDisk

    func make(in directory: TemporaryDirectory) async throws -> any BlobStore {
        switch self {
        case .memory: MemoryBlobStore()
        case .disk: try await DiskBlobStore(directory: directory.path, threads: .singleton)
        case .verifyingDisk:
            VerifyingBlobStore(try await DiskBlobStore(directory: directory.path, threads: .singleton)) { work in
                try await NIOThreadPool.singleton.runIfActive(work)
            }
        }
    }
}

enum CatalogKind: String, CaseIterable, Sendable {
    case memory
    case sqlite

    func make(in directory: TemporaryDirectory) throws -> any Catalog {
        switch self {
        case .memory: MemoryCatalog()
        case .sqlite: try SQLiteCatalog(path: directory.path + "/catalog.sqlite", durability: .relaxed)
        }
    }
}

extension StoredBlob {
    var bytes: [UInt8] {
        get throws {
            switch self.content {
            case .bytes(let buffer): Array(buffer.readableBytesView)
            case .file(let file): Array(try file.read(0..<file.size).readableBytesView)
            }
        }
    }
}

func digest(_ text: String) -> Digest { SHA256.digest(of: Array(text.utf8)) }

func rawBlob(_ bytes: [UInt8]) -> NewBlob {
    NewBlob(digest: SHA256.digest(of: bytes), encoding: .raw, size: bytes.count, content: ByteBuffer(bytes: bytes))
}

func frameBlob(_ bytes: [UInt8]) throws -> NewBlob {
    var codec = FrameCodec()
    let frame = try codec.compress(bytes)
    return NewBlob(
        digest: SHA256.digest(of: bytes),
        encoding: .zstd,
        size: bytes.count,
        content: ByteBuffer(bytes: frame)
    )
}

/// Lets tests write moments as plain numbers.
extension Timestamp: ExpressibleByIntegerLiteral {
    /// Milliseconds since 1970 UTC.
    public init(integerLiteral value: Int64) { self.init(milliseconds: value) }
}

/// A catalog with short ways to say what a test does.
struct Bench: Sendable {
    let directory: TemporaryDirectory
    let catalog: any Catalog
    let project: ProjectName

    init(_ kind: CatalogKind) throws {
        self.directory = try TemporaryDirectory()
        self.catalog = try kind.make(in: self.directory)
        self.project = try ProjectName("acme/shop")
    }

    /// A session that sees all scopes, or some of them; `scope` is where it saves to.
    func session(
        _ id: String,
        in project: ProjectName? = nil,
        scopes: [Scope]? = nil,
        scope: Scope = .shared,
        until end: Int64 = 1_000_000
    ) -> SaveSession {
        SaveSession(
            id: id,
            vantage: Vantage(project ?? self.project, scopes: scopes),
            isUnprotected: scope.isUnprotected,
            expiresAt: Timestamp(milliseconds: end)
        )
    }

    static func layer(_ name: String, size: Int) -> Layer {
        Layer(
            path: name,
            anchor: .workdir,
            treeDigest: digest("tree \(name)"),
            recipe: digest("recipe \(name)"),
            stamps: digest("stamps \(name)"),
            size: size,
            memberCount: 1,
            chunkCount: 1
        )
    }

    static func record(_ text: String, _ storedSize: Int) -> BlobRecord {
        BlobRecord(digest: digest(text), encoding: .zstd, size: storedSize * 2, storedSize: storedSize)
    }

    /// Uploads and commits one layer whose chunk has `stored` bytes; recipe, stamps and record have one each.
    @discardableResult
    func save(
        _ key: String,
        content: String? = nil,
        stored: Int = 100,
        size: Int = 1_000,
        at now: Int64 = 1,
        expires: Int64? = nil,
        onConflict: Commit.Conflict = .keep,
        scope: Scope = .shared,
        sees scopes: [Scope]? = nil,
        uploads: [String] = ["chunk", "recipe", "stamps"],
        in project: ProjectName? = nil
    ) async throws -> CommitOutcome {
        let project = project ?? self.project
        let content = content ?? key
        let session = self.session("save \(key) \(now)", in: project, scopes: scopes, scope: scope)
        let names = uploads.map { "\($0) \(content)" } + ["record \(key) \(now)"]
        let records = names.map { Self.record($0, $0.hasPrefix("chunk") ? stored : 1) }
        try await self.catalog.recordStored(records, for: session)
        return try await self.catalog.commit(
            Commit(
                project: project,
                scope: scope,
                key: CacheKey(key),
                layers: [CommittedLayer(layer: Self.layer(content, size: size), blobs: [digest("chunk \(content)")])],
                provenance: Provenance(template: "t-{{ .Branch }}"),
                createdAt: Timestamp(milliseconds: now),
                expiresAt: expires.map(Timestamp.init(milliseconds:)),
                onConflict: onConflict,
                record: digest("record \(key) \(now)"),
                session: session
            ),
            actor: "alice"
        )
    }

    func resolve(
        _ keys: String...,
        match: KeyPattern.Match = .prefix,
        scopes: [Scope] = [.shared],
        at now: Timestamp = 2
    ) async throws -> Resolution? {
        let patterns = try keys.map { KeyPattern(try CacheKey($0), match: match) }
        return try await self.catalog.resolve(KeyQuery(patterns, in: self.project, scopes: scopes), at: now)
    }

    func key(_ keys: String..., match: KeyPattern.Match = .prefix, at now: Timestamp = 2) async throws -> String? {
        let patterns = try keys.map { KeyPattern(try CacheKey($0), match: match) }
        return try await self.catalog.resolve(KeyQuery(patterns, in: self.project), at: now)?.entry.key.text
    }

    func keys(includingRemoved: Bool = false) async throws -> [String] {
        let filter = EntryFilter(project: self.project, includesRemoved: includingRemoved, limit: 1_000)
        return try await self.catalog.entries(filter).entries.map(\.key.text)
    }

    @discardableResult
    func change(_ action: EntryChange.Action, _ key: String, at now: Timestamp = 10) async throws -> [String] {
        let change = EntryChange(action, .key(try CacheKey(key)), in: self.project, scope: nil)
        return try await self.catalog.change(change, at: now, actor: "bob").map(\.key.text)
    }

    func evict(
        budget: Int? = nil,
        projectBudget: Int? = nil,
        projectEntries: Int? = nil,
        unprotectedBudget: Int? = nil,
        evictsProtected: Bool = true,
        undo: Timestamp = 0,
        at now: Timestamp = 1_000,
        limit: Int = 100
    ) async throws -> EvictionReport {
        var policy = EvictionPolicy(budget: budget, projectBudget: projectBudget, projectEntries: projectEntries)
        policy.unprotectedBudget = unprotectedBudget
        policy.evictsProtected = evictsProtected
        return try await self.catalog.evict(
            by: policy,
            keepRemovedSince: undo,
            except: [],
            at: now,
            limit: limit,
            actor: AuditEvent.server
        )
    }

    /// Condemns and forgets all there is; returns what was deleted.
    @discardableResult
    func collect(except leased: Set<Digest> = [], at now: Timestamp = 10) async throws -> Set<Digest> {
        let blobs = try await self.catalog.condemn(limit: 10_000, except: leased, at: now)
        _ = try await self.catalog.forget(blobs) { _ in }
        return Set(blobs.map(\.digest))
    }

    func requireNoDrift() async throws {
        let problems = try await self.catalog.check()
        guard problems.isEmpty else { throw CacheError(.corrupt, problems.joined(separator: "; ")) }
    }
}

/// Questions with the eyes of all scopes.
extension Catalog {
    func blobs(_ digests: [Digest], in project: ProjectName) async throws -> [Digest: BlobRecord] {
        try await self.blobs(digests, in: Vantage(project, scopes: nil), session: nil)
    }

    func history(of key: CacheKey, in project: ProjectName, limit: Int) async throws -> [HistoryEvent] {
        try await self.history(of: key, in: Vantage(project, scopes: nil), limit: limit)
    }

    func relatives(ofTemplate template: String, in project: ProjectName, limit: Int) async throws -> [Entry] {
        try await self.relatives(ofTemplate: template, in: Vantage(project, scopes: nil), limit: limit)
    }
}

extension Scope {
    static func of(_ text: String) -> Self {
        do { return try Self(text) } catch { preconditionFailure("\(error)") }
    }
}

/// A condition that one task sets and another sees.
final class Flag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { self.value.load(ordering: .relaxed) }
    func set() { self.value.store(true, ordering: .relaxed) }
}

import CacheModel
import LayerFormat
import LayerKernels
import Logging
import MemoryStorage
import NIOCore
import NIOPosix
import StorageInterface
import Synchronization

@testable import CacheService

/// A clock that moves when a test says so.
final class TestClock: Sendable {
    private let milliseconds = Mutex<Int64>(1_700_000_000_000)

    var now: Timestamp { Timestamp(milliseconds: self.milliseconds.withLock { $0 }) }

    func advance(by duration: Duration) {
        let moment = self.now + duration
        self.milliseconds.withLock { $0 = moment.milliseconds }
    }
}

/// A service over memory, and what it stands on.
struct TestService {
    let blobs = MemoryBlobStore()
    let catalog = MemoryCatalog()
    let clock = TestClock()
    let service: CacheService
    let project: ProjectName

    init(
        budget: Int? = nil,
        entries: Int? = nil,
        volume: Volume = Volume(),
        _ decorate: (any BlobStore) -> any BlobStore = { $0 }
    ) throws {
        var configuration = CacheService.Configuration()
        configuration.volume = volume
        configuration.policy = EvictionPolicy(budget: budget, projectEntries: entries)
        let clock = self.clock
        self.service = CacheService(
            blobs: decorate(self.blobs),
            catalog: self.catalog,
            threads: .singleton,
            configuration: configuration,
            logger: Logger(label: "test"),
            now: { clock.now }
        )
        self.project = try ProjectName("acme/shop")
    }

    /// Saves a layer of one file under a key, as a client does.
    @discardableResult
    func save(_ key: String, _ layer: TestLayer, onConflict: Commit.Conflict = .keep) async throws -> SaveOutcome {
        let session = "session-\(key)"
        let saver = Saver(vantage: Vantage(self.project, scopes: nil), scope: nil, session: session, owner: nil)
        let missing = try await self.service.missing(layer.blobs.map(\.digest), for: saver)
        try await self.service.store(layer.blobs.filter { missing.contains($0.digest) }, for: saver)
        return try await self.service.save(
            self.request(key, layer.layer, session: session, onConflict: onConflict),
            actor: "alice"
        )
    }

    /// Puts other bytes of the same size in the place of a blob's.
    func damage(_ digest: Digest) async throws {
        let stored = try await self.blobs.open(digest)
        var bytes = try stored.storedBytes()
        bytes.setInteger(~(bytes.getInteger(at: bytes.writerIndex - 1, as: UInt8.self) ?? 0), at: bytes.writerIndex - 1)
        try await self.blobs.quarantine(digest, found: .check)
        // The memory store looks at sizes only.
        let size = stored.encoding == .raw ? bytes.readableBytes : 1
        try await self.blobs.put([NewBlob(digest: digest, encoding: stored.encoding, size: size, content: bytes)])
    }

    func request(
        _ key: String,
        _ layer: Layer,
        session: String = "session-1",
        onConflict: Commit.Conflict = .keep
    ) throws -> SaveRequest {
        SaveRequest(
            project: self.project,
            scope: .shared,
            key: try CacheKey(key),
            layers: [layer],
            provenance: Provenance(template: key),
            timeToLive: nil,
            onConflict: onConflict,
            session: session,
            scopes: nil,
            owner: nil
        )
    }

    /// Reads the first chunk of a layer as a restore does.
    func fetch(_ layer: TestLayer) async throws {
        try await self.service.verify(self.service.describe([layer.chunks[0]], in: self.project))
    }

    func restore(_ key: String) async throws -> Restore? {
        try await self.service.restore(
            KeyQuery([KeyPattern(try CacheKey(key), match: .exact)], in: self.project),
            families: [key]
        )
    }
}

/// Saves of jobs that all trust each other.
extension CacheService {
    private func saver(_ project: ProjectName, _ session: String) -> Saver {
        Saver(vantage: Vantage(project, scopes: nil), scope: nil, session: session, owner: nil)
    }

    func knownLayers(_ trees: [Digest], in project: ProjectName, session: String) async throws -> [Layer?] {
        try await self.knownLayers(trees, for: self.saver(project, session))
    }

    func missing(_ digests: [Digest], in project: ProjectName, session: String) async throws -> [Digest] {
        try await self.missing(digests, for: self.saver(project, session))
    }

    func store(_ blobs: [NewBlob], in project: ProjectName, session: String) async throws {
        try await self.store(blobs, for: self.saver(project, session))
    }

    func describe(_ digests: [Digest], in project: ProjectName) async throws -> [BlobRecord] {
        try await self.describe(digests, in: Vantage(project, scopes: nil))
    }

    func recipe(of layer: Layer, in project: ProjectName) async throws -> Recipe {
        try await self.recipe(of: layer, in: Vantage(project, scopes: nil))
    }
}

/// A layer of one file, made by hand.
struct TestLayer {
    var layer: Layer
    var blobs: [NewBlob]
    var chunks: [Digest]

    /// `claimed` is other content of the same length that the recipe says the chunks hold.
    init(_ content: [UInt8], claiming claimed: [UInt8]? = nil, path: String = "data", mtime: Int64 = 1_000) throws {
        let members = MemberList(
            sorting: [Member(path: Array(path.utf8), kind: .file, mode: 0o644, size: content.count)]
        )
        var stream: [UInt8] = []
        CanonicalTar.appendHeader(of: members, at: 0, mtime: nil, to: &stream)
        stream += content
        stream += [UInt8](repeating: 0, count: CanonicalTar.streamSize(of: members) - stream.count)
        let digests = [SHA256.digest(of: claimed ?? content)]
        var blobs: [NewBlob] = []
        var chunks: [ChunkReference] = []
        var rest = stream[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(rest.withUnsafeBytes { ChunkCutter.layers.firstCut(in: $0) }))
            rest = rest.dropFirst(piece.count)
            chunks.append(ChunkReference(digest: SHA256.digest(of: piece), size: piece.count))
            blobs.append(.raw(piece))
        }
        let contents = try ContentDigests.encode(digests)
        let recipe = Recipe(
            treeDigest: TreeDigest.digest(of: members, contentDigests: digests),
            streamSize: stream.count,
            chunks: chunks,
            members: members,
            contentDigests: SHA256.digest(of: contents)
        )
        let recipeBytes = try recipe.encoded()
        let stamps = try Stamps(mtimes: [mtime]).encoded()
        for bytes in [contents, recipeBytes, stamps] { blobs.append(.raw(bytes)) }
        self.blobs = blobs
        self.chunks = chunks.map(\.digest)
        self.layer = Layer(
            path: path,
            anchor: .workdir,
            treeDigest: recipe.treeDigest,
            recipe: SHA256.digest(of: recipeBytes),
            stamps: SHA256.digest(of: stamps),
            size: recipe.streamSize,
            memberCount: 1,
            chunkCount: chunks.count
        )
    }

    /// A layer of `count` bytes that no other seed shares.
    static func noise(_ seed: UInt64, count: Int, mtime: Int64 = 1_000) throws -> Self {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        let bytes = (0..<count).map { _ -> UInt8 in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state >> 32)
        }
        return try Self(bytes, mtime: mtime)
    }
}

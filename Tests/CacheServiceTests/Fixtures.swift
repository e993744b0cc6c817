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

    init(budget: Int? = nil) throws {
        var configuration = CacheService.Configuration()
        configuration.policy = EvictionPolicy(budget: budget)
        let clock = self.clock
        self.service = CacheService(
            blobs: self.blobs,
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
        let missing = try await self.service.missing(layer.blobs.map(\.digest), in: self.project, session: session)
        try await self.service.store(
            layer.blobs.filter { missing.contains($0.digest) },
            in: self.project,
            session: session
        )
        return try await self.service.save(
            self.request(key, layer.layer, session: session, onConflict: onConflict),
            actor: "alice"
        )
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
            session: session
        )
    }

    func restore(_ key: String) async throws -> Restore? {
        try await self.service.restore(
            KeyQuery([KeyPattern(try CacheKey(key), match: .exact)], in: self.project),
            families: [key]
        )
    }
}

/// A layer of one file, made by hand.
struct TestLayer {
    var layer: Layer
    var blobs: [NewBlob]
    var chunks: [Digest]

    init(_ content: [UInt8], path: String = "data", mtime: Int64 = 1_000) throws {
        let members = MemberList(
            sorting: [Member(path: Array(path.utf8), kind: .file, mode: 0o644, size: content.count)]
        )
        var stream: [UInt8] = []
        CanonicalTar.appendHeader(of: members, at: 0, mtime: nil, to: &stream)
        stream += content
        stream += [UInt8](repeating: 0, count: CanonicalTar.streamSize(of: members) - stream.count)
        let digests = [SHA256.digest(of: content)]
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

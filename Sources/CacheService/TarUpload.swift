package import CacheModel
internal import LayerFiles
internal import LayerFormat
internal import LayerKernels
package import NIOCore
internal import NIOPosix
package import StorageInterface

/// What somebody wants to be made of a tar.
package struct TarUpload: Sendable {
    package var project: ProjectName
    package var scope: Scope
    package var key: CacheKey
    /// The layer's path, or `nil` for the one name at the top of the tar.
    package var path: String?
    package var anchor: Anchor
    package var timeToLive: Duration?
    package var onConflict: Commit.Conflict
    /// The scopes whose entries may be shared with, or `nil` for all of the project.
    package var scopes: [Scope]?

    package init(
        project: ProjectName,
        scope: Scope,
        key: CacheKey,
        path: String?,
        anchor: Anchor,
        timeToLive: Duration?,
        onConflict: Commit.Conflict,
        scopes: [Scope]?
    ) {
        self.project = project
        self.scope = scope
        self.key = key
        self.path = path
        self.anchor = anchor
        self.timeToLive = timeToLive
        self.onConflict = onConflict
        self.scopes = scopes
    }
}

extension CacheService {
    /// Makes an entry of a tar, compressed or not, that somebody sends.
    ///
    /// The tar is spooled, never extracted: its members are checked as text and its content is read from the spool.
    ///
    /// - Parameters:
    ///   - body: The bytes of the tar.
    ///   - upload: What to make of it.
    ///   - actor: Who saves, for the audit log.
    /// - Returns: What the save did.
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` if the tar is malformed or unsafe.
    package func save<Body: AsyncSequence & Sendable>(
        tar body: Body,
        as upload: TarUpload,
        actor: String
    ) async throws -> SaveOutcome where Body.Element == ByteBuffer {
        do {
            let tree = try await self.spool(body)
            let path = upload.path ?? tree.rootPath
            return try await self.save(TrimmedSource(tree, below: path), path: path, as: upload, actor: actor)
        } catch let error as TarError {
            throw CacheError(.invalidRequest, "the tar is refused: \(error)")
        } catch let error as TreeError {
            throw CacheError(.unavailable, "the tar cannot be kept while it is read: \(error)")
        }
    }

    private func spool<Body: AsyncSequence & Sendable>(_ body: Body) async throws -> SpooledTree
    where Body.Element == ByteBuffer {
        let limit = self.configuration.maximumEntrySize
        let directory = self.configuration.spoolDirectory
        let spool = try await self.spooling {
            try UploadSpool(
                TarSpool(directory: directory, limits: TarLimits(totalSize: limit), spoolLimit: limit)
            )
        }
        for try await piece in body { try await self.spooling { try spool.write(piece) } }
        return try await self.spooling { try spool.finish() }
    }

    /// Runs a write of the spool on threads of its own.
    private func spooling<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        let threads = self.configuration.volume.spoolers ?? self.threads
        return try await self.writing { try await threads.runIfActive(work) }
    }

    private func save(
        _ tree: TrimmedSource,
        path: String,
        as upload: TarUpload,
        actor: String
    ) async throws -> SaveOutcome {
        do {
            try tree.members.validate(root: path)
        } catch {
            throw CacheError(.invalidRequest, "the tar does not fit the path '\(path)': \(error)")
        }
        let saver = Saver(
            vantage: Vantage(upload.project, scopes: upload.scopes),
            scope: upload.scope,
            session: Self.randomSession(),
            owner: "server"
        )
        let scan = try await self.offload { try SourceScan(hashing: tree) }
        let stamps = try scan.stamps.encoded()
        try await self.store([.raw(stamps)], for: saver)
        var layer: Layer
        if let known = try await self.knownLayers([scan.treeDigest], for: saver)[0] {
            layer = known
        } else {
            layer = try await self.store(tree, scan, for: saver)
            self.noteReceived(layer.size, for: .init(project: upload.project, name: upload.key.text))
        }
        layer.path = path
        layer.anchor = upload.anchor
        layer.stamps = SHA256.digest(of: stamps)
        return try await self.save(
            SaveRequest(
                project: upload.project,
                scope: upload.scope,
                key: upload.key,
                layers: [layer],
                provenance: Provenance(template: upload.key.text, system: "tar upload"),
                timeToLive: upload.timeToLive,
                onConflict: upload.onConflict,
                session: saver.session,
                scopes: upload.scopes,
                owner: saver.owner
            ),
            actor: actor
        )
    }

    /// Cuts a source into chunks and stores these, its recipe and its content digests.
    private func store(
        _ source: some LayerSource,
        _ scan: SourceScan,
        for saver: Saver
    ) async throws -> Layer {
        let cutting = try await self.offload { CuttingStream(try LayerStream(source: source)) }
        let level = self.configuration.compressionLevel
        var chunks: [ChunkReference] = []
        while case let batch = try await self.offload({ try cutting.nextBatch(level: level) }), !batch.isEmpty {
            chunks += batch.map { ChunkReference(digest: $0.digest, size: $0.size) }
            let missing = Set(try await self.missing(batch.map(\.digest), for: saver))
            try await self.store(batch.filter { missing.contains($0.digest) }, for: saver)
        }
        let contents = try ContentDigests.encode(scan.contentDigests)
        let recipe = Recipe(
            treeDigest: scan.treeDigest,
            streamSize: chunks.reduce(0) { $0 + $1.size },
            chunks: chunks,
            members: source.members,
            contentDigests: SHA256.digest(of: contents)
        )
        let bytes = try recipe.encoded()
        try await self.store([.raw(contents), .raw(bytes)], for: saver)
        return Layer(
            path: ".",
            anchor: .workdir,
            treeDigest: scan.treeDigest,
            recipe: SHA256.digest(of: bytes),
            stamps: recipe.treeDigest,
            size: recipe.streamSize,
            memberCount: source.members.count,
            chunkCount: chunks.count
        )
    }

    private static func randomSession() -> String {
        var generator = SystemRandomNumberGenerator()
        return "upload-" + String(generator.next() as UInt64, radix: 36)
    }
}

/// A spool that moves from thread to thread.
///
/// Sound to share: the one upload that owns it awaits each call before it makes the next.
private final class UploadSpool: @unchecked Sendable {
    private let spool: TarSpool

    init(_ spool: TarSpool) { self.spool = spool }

    func write(_ piece: ByteBuffer) throws { try piece.withUnsafeReadableBytes { try self.spool.write($0) } }

    func finish() throws -> SpooledTree { try self.spool.finish() }
}

/// A stream of chunks that moves from thread to thread.
///
/// Sound to share: the one upload that owns it awaits each call before it makes the next.
private final class CuttingStream: @unchecked Sendable {
    /// The raw bytes that are cut, hashed and compressed at a time.
    private static let batchSize = 8 * 1_048_576

    private let stream: LayerStream

    init(_ stream: LayerStream) { self.stream = stream }

    func nextBatch(level: Int) throws -> [NewBlob] {
        var codec = FrameCodec(level: level)
        var batch: [NewBlob] = []
        var size = 0
        while size < Self.batchSize, let chunk = try self.stream.next() {
            size += chunk.count
            let bytes = chunk.withBytes { Array($0) }
            let frame = try codec.compress(bytes)
            batch.append(
                NewBlob(
                    digest: SHA256.digest(of: bytes),
                    encoding: .zstd,
                    size: bytes.count,
                    content: ByteBuffer(bytes: frame)
                )
            )
        }
        return batch
    }
}

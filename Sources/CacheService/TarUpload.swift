package import CacheModel
internal import CLinux
internal import Glibc
internal import LayerFiles
internal import LayerFormat
internal import LayerKernels
package import NIOCore
internal import StorageInterface

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

    package init(
        project: ProjectName,
        scope: Scope,
        key: CacheKey,
        path: String?,
        anchor: Anchor,
        timeToLive: Duration?,
        onConflict: Commit.Conflict
    ) {
        self.project = project
        self.scope = scope
        self.key = key
        self.path = path
        self.anchor = anchor
        self.timeToLive = timeToLive
        self.onConflict = onConflict
    }
}

extension CacheService {
    /// The stored bytes that are collected before they are written.
    private static let batchSize = 8 * 1_048_576

    /// Makes an entry of a tar, compressed or not, that somebody sends.
    ///
    /// The tar is spooled, never extracted: its members are checked as text and its content is read from the spool.
    ///
    /// - Parameters:
    ///   - body: The bytes of the tar.
    ///   - upload: What to make of it.
    /// - Returns: What the save did.
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` if the tar is malformed or unsafe.
    package func save<Body: AsyncSequence & Sendable>(
        tar body: Body,
        as upload: TarUpload
    ) async throws -> SaveOutcome where Body.Element == ByteBuffer {
        let file = try await self.spool(body)
        let directory = self.configuration.spoolDirectory
        let limit = self.configuration.maximumEntrySize
        let tree: SpooledTree
        do {
            tree = try await self.offload {
                try SpooledTree(readingTarFrom: file.descriptor, spoolDirectory: directory, maximumSize: limit)
            }
        } catch let error as TarError {
            throw CacheError(.invalidRequest, "the tar is refused: \(error)")
        }
        return try await self.save(tree, as: upload)
    }

    private func save(_ tree: SpooledTree, as upload: TarUpload) async throws -> SaveOutcome {
        let session = "upload-" + Self.randomName()
        let scan = try await self.offload { try TreeHasher.hash(tree) }
        let family = Traffic.Family(project: upload.project, name: upload.key.text)
        let layer: Layer
        let stamps = try scan.stamps.encoded()
        let stampsDigest = SHA256.digest(of: stamps)
        var small = [NewBlob.raw(stamps, digest: stampsDigest)]
        if var known = try await self.knownLayers([scan.treeDigest], in: upload.project, session: session)[0] {
            known.stamps = stampsDigest
            layer = known
        } else {
            let chunks = try await self.storeChunks(of: tree, in: upload.project, session: session)
            let contents = try ContentDigests.encode(scan.contentDigests)
            let recipe = Recipe(
                treeDigest: scan.treeDigest,
                streamSize: chunks.reduce(0) { $0 + $1.size },
                chunks: chunks,
                members: tree.members,
                contentDigests: SHA256.digest(of: contents)
            )
            let bytes = try recipe.encoded()
            small += [.raw(contents, digest: recipe.contentDigests), .raw(bytes, digest: SHA256.digest(of: bytes))]
            layer = Layer(
                path: upload.path ?? tree.rootPath,
                anchor: upload.anchor,
                treeDigest: scan.treeDigest,
                recipe: SHA256.digest(of: bytes),
                stamps: stampsDigest,
                size: recipe.streamSize,
                memberCount: tree.members.count,
                chunkCount: chunks.count
            )
            self.noteReceived(recipe.streamSize, for: family)
        }
        try await self.store(small, in: upload.project, session: session)
        return try await self.save(
            SaveRequest(
                project: upload.project,
                scope: upload.scope,
                key: upload.key,
                layers: [layer],
                provenance: Provenance(template: upload.key.text, system: "tar upload"),
                timeToLive: upload.timeToLive,
                onConflict: upload.onConflict,
                session: session
            )
        )
    }

    private static func randomName() -> String {
        var generator = SystemRandomNumberGenerator()
        return String(generator.next() as UInt64, radix: 36)
    }
}

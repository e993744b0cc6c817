package import CacheModel
package import LayerFormat
package import StorageInterface

// What a client says about its layers is believed only as far as it was checked: the recipe decodes, its members are
// safe to write, its tree digest is theirs, its chunks are there with the sizes it claims.

extension CacheService {
    /// Checks layers that are to be committed and collects the blobs that they refer to.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` that names the layer and what is wrong.
    func check(_ layers: [Layer], for session: SaveSession) async throws -> [CommittedLayer] {
        guard (1...self.configuration.maximumLayers).contains(layers.count) else {
            throw CacheError(
                .invalidRequest,
                "an entry has 1 to \(self.configuration.maximumLayers) layers, not \(layers.count)"
            )
        }
        let size = layers.reduce(0) { $0.addingReportingOverflow($1.size).partialValue }
        guard layers.allSatisfy({ $0.size >= 0 }), (0...self.configuration.maximumEntrySize).contains(size) else {
            let limit = Quantity.describe(bytes: self.configuration.maximumEntrySize)
            throw CacheError(.quotaExceeded, "the entry is larger than this server's limit of \(limit) for one entry")
        }
        var committed: [CommittedLayer] = []
        for layer in layers {
            do {
                committed.append(try await self.check(layer, for: session))
            } catch let error as CacheError where [.notFound, .corrupt, .unreadable].contains(error.code) {
                throw CacheError(
                    .invalidRequest,
                    "layer '\(layer.path)' refers to bytes that were not uploaded or are damaged",
                    cause: error
                )
            } catch let error as LayerFormatError {
                throw CacheError(.invalidRequest, "layer '\(layer.path)' is refused: \(error)")
            }
        }
        return committed
    }

    private func check(_ layer: Layer, for session: SaveSession) async throws -> CommittedLayer {
        let vantage = session.vantage
        let recipe = try await self.recipe(of: layer, in: vantage, session: session)
        let digests = try await self.contentDigests(of: recipe, session)
        _ = try await self.stamps(of: layer, recipe, in: vantage, session: session)
        try await self.offload { try layer.requireContent(of: recipe, digests) }
        let records = try await self.describe(recipe.chunks.map(\.digest), in: vantage, session: session)
        for (record, chunk) in zip(records, recipe.chunks) where record.size != chunk.size {
            throw LayerFormatError("chunk \(chunk.digest) has \(record.size) bytes, its recipe says \(chunk.size)")
        }
        return CommittedLayer(layer: layer, blobs: recipe.blobs)
    }

    /// Reads a layer's recipe.
    package func recipe(of layer: Layer, in vantage: Vantage, session: SaveSession? = nil) async throws -> Recipe {
        let bytes = try await self.readVisible(layer.recipe, in: vantage, session)
        return try await self.offload { try Recipe(decoding: bytes) }
    }

    /// Reads a layer's stamps.
    package func stamps(
        of layer: Layer,
        _ recipe: Recipe,
        in vantage: Vantage,
        session: SaveSession? = nil
    ) async throws -> Stamps {
        let bytes = try await self.readVisible(layer.stamps, in: vantage, session)
        return try await self.offload { try Stamps(decoding: bytes, for: recipe.members) }
    }

    private func contentDigests(of recipe: Recipe, _ session: SaveSession) async throws -> [Digest] {
        let bytes = try await self.readVisible(recipe.contentDigests, in: session.vantage, session)
        return try await self.offload { try ContentDigests.decode(bytes, count: recipe.fileCount) }
    }

    private func readVisible(_ digest: Digest, in vantage: Vantage, _ session: SaveSession?) async throws -> [UInt8] {
        let record = try await self.describe([digest], in: vantage, session: session)[0]
        return try await self.read(record, limit: Recipe.maximumBlobSize)
    }
}

extension Layer {
    /// Checks what is claimed about a layer against its recipe and the digests of its files.
    ///
    /// - Throws: ``LayerFormat/LayerFormatError`` that says which claim is wrong.
    func requireContent(of recipe: Recipe, _ contentDigests: [Digest]) throws {
        try recipe.members.validate(root: self.path)
        let tree = TreeDigest.digest(of: recipe.members, contentDigests: contentDigests)
        let claims = [
            (tree == self.treeDigest && tree == recipe.treeDigest, "the tree digest"),
            (
                self.size == recipe.streamSize && recipe.streamSize == CanonicalTar.streamSize(of: recipe.members),
                "the size"
            ),
            (self.memberCount == recipe.members.count, "the number of members"),
            (self.chunkCount == recipe.chunks.count, "the number of chunks"),
        ]
        for (holds, claim) in claims where !holds { throw LayerFormatError("\(claim) is not that of its recipe") }
    }
}

extension Recipe {
    /// The number of files among the members: each has a content digest.
    var fileCount: Int {
        self.members.indices.reduce(0) { $0 + (self.members.kind(at: $1) == .file ? 1 : 0) }
    }
}

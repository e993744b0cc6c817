internal import CacheModel
internal import LayerFormat
internal import StorageInterface

/// What saves may take for granted after damage was found.
///
/// Damage seldom comes alone, and an entry with several damaged blobs would show the next one only when it is read
/// again. So from the first find on, and after a start as long as damaged blobs are in quarantine, a save is told that a
/// blob is there only after the blob was compared with its digest: one save of an entry heals all of it.
extension CacheService {
    /// Whether damage was found since the start, or so shortly before it that what was damaged is still there.
    var isWary: Bool { self.configuration.hasFoundDamage || !self.figures.damagedBlobs.isEmpty }

    /// Takes those of the blobs out of use that are damaged, so that the saver is asked for them.
    ///
    /// Each blob is read once after the last find, whoever asks for it.
    func withdrawDamaged(among digests: [Digest], for session: SaveSession) async throws {
        guard self.isWary else { return }
        let records = try await self.catalog.blobs(digests, in: session.vantage, session: session)
        for record in records.values where !self.verified.isSound(record.digest, since: Timestamp(milliseconds: 0)) {
            _ = try await self.inspect(record, found: .upload)
        }
    }

    /// Whether saves may refer to a known layer: all of its blobs are there and, once damage was found, sound.
    func canRely(on layer: Layer, for session: SaveSession) async throws -> Bool {
        guard self.isWary else { return true }
        do {
            let recipe = try await self.recipe(of: layer, in: session.vantage, session: session)
            let needed = Set([layer.recipe, layer.stamps] + recipe.blobs)
            try await self.withdrawDamaged(among: Array(needed), for: session)
            let found = try await self.catalog.blobs(Array(needed), in: session.vantage, session: session)
            return found.count == needed.count
        } catch let error as CacheError where error.code == .corrupt || error.code == .notFound {
            return false
        }
    }
}

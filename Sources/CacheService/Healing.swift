internal import CacheModel
internal import LayerFormat
internal import Logging
internal import StorageInterface

/// What saves may take for granted after damage was found.
///
/// Damage seldom comes alone, and an entry with several damaged blobs would show the next one only when it is read
/// again. So from the first find on, and after a start as long as damaged blobs are in quarantine, a save is told that a
/// blob is there only after the blob was compared with its digest: one save of an entry heals all of it.
extension CacheService {
    /// Of a known layer so much is read before an answer; a larger one is not known, and its blobs are asked for in turn.
    private static let readAtOnce = 256 * 1_048_576

    /// Whether damage was found since the start, or so shortly before it that what was damaged is still there.
    var isWary: Bool {
        self.configuration.hasFoundDamage || !self.figures.damagedBlobs.isEmpty
            || self.verified.hasMetUnreadable
    }

    /// How many blobs could not be read when that was last tried.
    package var unreadableBlobs: Int { self.verified.unreadableCount }

    /// Runs what reads stored bytes; once the disk could not give some, saves do not rely on what was sound before.
    func reading<Value>(_ work: () async throws -> Value) async throws -> Value {
        do {
            return try await work()
        } catch let error as CacheError where error.code == .unreadable {
            if let digest = error.unreadableBlob, self.verified.noteUnreadable(digest) {
                self.logger.error("\(error); the next save of it stores it anew")
            }
            throw error
        }
    }

    /// Takes those of the blobs out of use that are damaged, so that the saver is asked for them.
    ///
    /// - Returns: Those that the disk cannot give. The saver is asked for them as well, but they stay in use until a copy
    ///   is here: they may be sound, and who asks need not have them.
    func withdrawDamaged(among digests: [Digest], for session: SaveSession) async throws -> Set<Digest> {
        guard self.isWary else { return [] }
        let records = try await self.catalog.blobs(digests, in: session.vantage, session: session)
        var unreadable: Set<Digest> = []
        for record in records.values where try await !self.inspectOnce(record) { unreadable.insert(record.digest) }
        return unreadable
    }

    /// Whether saves may refer to a known layer: all of its blobs are there and, once damage was found, sound.
    func canRely(on layer: Layer, for session: SaveSession) async throws -> Bool {
        guard self.isWary else { return true }
        do {
            let recipe = try await self.recipe(of: layer, in: session.vantage, session: session)
            let needed = Set([layer.recipe, layer.stamps] + recipe.blobs)
            let records = try await self.catalog.blobs(Array(needed), in: session.vantage, session: session)
            let unread = records.values.filter { !self.wasInspected($0) }.reduce(0) { $0 + $1.storedSize }
            guard records.count == needed.count, unread <= Self.readAtOnce else { return false }
            guard try await self.withdrawDamaged(among: Array(needed), for: session).isEmpty else { return false }
            let sound = try await self.catalog.blobs(Array(needed), in: session.vantage, session: session)
            return sound.count == needed.count
        } catch let error as CacheError where [.corrupt, .notFound, .unreadable].contains(error.code) {
            return false
        }
    }

    /// Compares a blob with its digest, unless that was done since the last find; savers of the same blob share it.
    ///
    /// A disk that is away keeps nobody from saving.
    ///
    /// - Returns: Whether the disk can give it, as far as is known; `true` also if it was damaged and is out of use now.
    private func inspectOnce(_ record: BlobRecord) async throws -> Bool {
        try await self.inspections.with([record.digest]) {
            guard !self.wasInspected(record) else { return true }
            guard !self.verified.isUnreadable(record.digest) else { return false }
            do {
                _ = try await self.inspect(record, found: .upload)
            } catch let error as CacheError where error.code == .unreadable {
                return false
            } catch let error as CacheError where error.code == .unavailable {
                let details: Logger.Metadata = ["digest": "\(record.digest)", "error": "\(error)"]
                self.logger.error("a blob cannot be read", metadata: details)
            }
            return true
        }
    }

    private func wasInspected(_ record: BlobRecord) -> Bool {
        self.verified.isSound(record.digest, since: Timestamp(milliseconds: 0))
    }
}

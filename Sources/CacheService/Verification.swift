package import CacheModel
internal import LayerKernels
package import StorageInterface
package import Synchronization

/// When this process last compared blobs with their digests.
///
/// Remembers a quarter of a digest: who makes two blobs collide there has one of his own served unchecked by the
/// server, and his clients check it.
final class VerifiedBlobs: Sendable {
    /// About 24 MB; past it everything is forgotten, which costs a check and nothing else.
    private static let limit = 1_000_000

    /// How often a disk that fails makes everything doubtful: to look again at all that is used costs its reading.
    private static let patience = Duration.seconds(60)

    private let seconds = Mutex<[UInt64: Int64]>([:])
    private let doubtedAt = Mutex<Timestamp?>(nil)

    /// Whether the blob was found sound at or after a moment.
    func isSound(_ digest: Digest, since moment: Timestamp) -> Bool {
        let key = Self.key(of: digest)
        return self.seconds.withLock { $0[key].map { $0 >= moment.milliseconds / 1_000 } ?? false }
    }

    /// The positions of those that were not found sound at or after a moment.
    func unsound(_ records: ArraySlice<BlobRecord>, since moment: Timestamp) -> [Int] {
        self.seconds.withLock { seconds in
            records.indices.filter { index in
                guard let found = seconds[Self.key(of: records[index].digest)] else { return true }
                return found < moment.milliseconds / 1_000
            }
        }
    }

    func note(_ digests: [Digest], at now: Timestamp) {
        self.seconds.withLock { seconds in
            if seconds.count > Self.limit { seconds.removeAll() }
            for digest in digests { seconds[Self.key(of: digest)] = now.milliseconds / 1_000 }
        }
    }

    /// Forgets blobs that are stored anew.
    func forget(_ digests: [Digest]) {
        self.seconds.withLock { seconds in
            guard !seconds.isEmpty else { return }
            for digest in digests { seconds[Self.key(of: digest)] = nil }
        }
    }

    /// Forgets everything, because what was sound then may not be so now.
    func forgetAll() { self.seconds.withLock { $0.removeAll() } }

    /// Forgets everything, unless that was done a moment ago.
    func doubt(at now: Timestamp) {
        let isNew = self.doubtedAt.withLock { doubtedAt in
            guard doubtedAt.map({ now >= $0 + Self.patience }) ?? true else { return false }
            doubtedAt = now
            return true
        }
        if isNew { self.forgetAll() }
    }

    private static func key(of digest: Digest) -> UInt64 {
        digest.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// What checks of stored bytes have done since the start.
package struct IntegrityFigures: ~Copyable, Sendable {
    /// Bytes that were compared with their digests because somebody read them.
    package let verifiedBytes = Atomic(0)
    /// Bytes that the background pass compared.
    package let scrubbedBytes = Atomic(0)
    /// How often the disk could not give the bytes of a blob.
    package let unreadableBlobs = Atomic(0)
    private let damaged = Mutex<[Discovery: Int]>([:])

    /// Blobs that were taken out of use, by what found them.
    package var damagedBlobs: [Discovery: Int] { self.damaged.withLock { $0 } }

    func count(_ found: Discovery) { self.damaged.withLock { $0[found, default: 0] += 1 } }
}

extension CacheService {
    /// Larger blobs are left to the scrub and to the clients: a restore does not wait for them.
    static let verifiedSize = 8 * 1_048_576
    /// So many stored bytes of a request are checked before its first byte is sent; the rest as they are opened.
    private static let checkedAhead = 64 * 1_048_576
    /// How many are open while they are checked.
    private static let checkedAtOnce = 32

    /// Compares blobs with their digests that nobody has compared since the start, or for too long.
    ///
    /// With it, what is damaged is known before an answer has a status. Costs a look into a table for all others.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `corrupt`; the blob is in quarantine then.
    package func verify(_ records: [BlobRecord]) async throws {
        var ahead = 0
        let first = records.prefix { record in
            ahead += record.storedSize
            return ahead <= Self.checkedAhead
        }
        var rest = self.unverified(first).map { first[$0] }[...]
        while !rest.isEmpty {
            _ = try await self.open(rest.prefix(Self.checkedAtOnce))
            rest = rest.dropFirst(Self.checkedAtOnce)
        }
    }

    /// Compares opened blobs with their digests, as far as they need it.
    func verify(_ records: ArraySlice<BlobRecord>, _ blobs: [StoredBlob]) async throws {
        let indices = self.unverified(records)
        guard !indices.isEmpty else { return }
        let pairs = indices.map { (record: records[$0], blob: blobs[$0 - records.startIndex]) }
        let damaged = try await self.offload {
            var verifier = BlobVerifier()
            return try pairs.filter { try !verifier.isSound($0.record, $0.blob) }.map(\.record)
        }
        self.figures.verifiedBytes.add(pairs.reduce(0) { $0 + $1.record.storedSize }, ordering: .relaxed)
        guard damaged.isEmpty else {
            for record in damaged { try await self.withdraw(record, found: .read) }
            throw CacheError(.corrupt, "the bytes of blob \(damaged[0].digest) are damaged; save the entry again")
        }
        self.verified.note(pairs.map(\.record.digest), at: self.now())
    }

    private func unverified(_ records: ArraySlice<BlobRecord>) -> [Int] {
        guard let age = self.configuration.verifyAfter else { return [] }
        let isEverything = self.configuration.verifiesEverything
        return self.verified.unsound(records, since: self.now() - age)
            .filter { isEverything || records[$0].size <= Self.verifiedSize }
    }

    /// Takes a damaged blob out of use, unless it was stored anew since it was looked up.
    ///
    /// The bytes go first: a crash in between leaves a row without bytes, which the next read finds.
    func withdraw(_ record: BlobRecord, found: Discovery, actor: String = AuditEvent.server) async throws {
        try await self.gate.with([record.digest]) {
            let current = try await self.catalog.allBlobs(after: record.digest.predecessor, limit: 1).first
            // Others may have had the same doubt, and a save may have healed it meanwhile: its row looks the same.
            guard current == record, await !self.isSoundNow(record) else { return }
            try await self.blobs.quarantine(record.digest, found: found)
            try await self.reportDamage(to: [record.digest], found: found, actor: actor)
        }
    }

    /// Whether a blob can be read and is what its row says.
    private func isSoundNow(_ record: BlobRecord) async -> Bool {
        guard let blob = try? await self.blobs.open(record.digest) else { return false }
        return (try? await self.isSound(record, blob)) ?? false
    }

    private func isSound(_ record: BlobRecord, _ blob: StoredBlob) async throws -> Bool {
        try await self.offload {
            var verifier = BlobVerifier()
            return try verifier.isSound(record, blob)
        }
    }

    /// Looks at blobs again that a client says it was sent wrong; returns how many are damaged.
    package func recheck(_ digests: [Digest], in vantage: Vantage) async throws -> Int {
        let records = try await self.catalog.blobs(digests, in: vantage, session: nil)
        var damaged = 0
        // A claim costs a read of the disk, so the same one costs it once in a while only.
        let moment = self.now() - .seconds(10)
        for record in records.values where !self.rechecked.isSound(record.digest, since: moment) {
            if try await self.inspect(record, found: .report) {
                self.rechecked.note([record.digest], at: self.now())
            } else {
                damaged += 1
            }
        }
        return damaged
    }

    /// Reads a blob and compares it with its digest; takes it out of use if it is damaged.
    ///
    /// - Returns: Whether it is sound.
    func inspect(_ record: BlobRecord, found: Discovery) async throws -> Bool {
        let isSound: Bool
        do {
            let blob = try await self.reading { try await self.blobs.open(record.digest) }
            isSound = try await self.isSound(record, blob)
        } catch let error as CacheError where error.code == .notFound {
            isSound = false
        }
        if isSound {
            self.verified.note([record.digest], at: self.now())
        } else {
            try await self.withdraw(record, found: found)
        }
        return isSound
    }

    /// Makes sure that blobs which are there already are worth keeping: damaged ones give way to the new copies.
    ///
    /// - Returns: The stored form of those that stay.
    func keepSound(_ blobs: [NewBlob]) async throws -> [Digest: BlobRecord] {
        let missing = Set(try await self.blobs.missing(from: blobs.map(\.digest)))
        var kept: [Digest: BlobRecord] = [:]
        for blob in blobs where !missing.contains(blob.digest) {
            do {
                kept[blob.digest] = try await self.soundRecord(of: blob)
            } catch let error as CacheError where error.code == .unreadable || error.code == .corrupt {
                try await self.blobs.quarantine(blob.digest, found: .upload)
                try await self.reportDamage(to: [blob.digest], found: .upload)
            }
        }
        return kept
    }

    /// The stored form of a blob that is there and sound; `nil` if it is not there any more.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `corrupt` or `unreadable` if the copy at hand is to take its place.
    private func soundRecord(of blob: NewBlob) async throws -> BlobRecord? {
        let stored: StoredBlob
        do {
            stored = try await self.reading { try await self.blobs.open(blob.digest) }
        } catch let error as CacheError where error.code == .notFound {
            return nil
        }
        let record = BlobRecord(
            digest: blob.digest,
            encoding: stored.encoding,
            size: blob.size,
            storedSize: stored.storedSize
        )
        guard try await self.isSound(record, stored) else {
            throw CacheError(.corrupt, "the bytes of blob \(blob.digest) are damaged")
        }
        return record
    }
}

extension BlobVerifier {
    /// Whether a stored blob is what its row says; blocks on the disk, and computes.
    ///
    /// - Throws: ``CacheModel/CacheError`` if the disk cannot be read now, which says nothing about the bytes.
    mutating func isSound(_ record: BlobRecord, _ stored: StoredBlob) throws -> Bool {
        guard stored.storedSize == record.storedSize, stored.encoding == record.encoding else { return false }
        do {
            var blob = NewBlob(
                digest: record.digest,
                encoding: record.encoding,
                size: record.size,
                content: try stored.storedBytes()
            )
            try self.verify(&blob)
            return true
        } catch let error as CacheError where error.code == .digestMismatch || error.code == .corrupt {
            return false
        }
    }
}

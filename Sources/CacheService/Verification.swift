package import CacheModel
internal import LayerKernels
package import StorageInterface
package import Synchronization

/// What this process knows of stored bytes: when it last compared blobs with their digests, and which it cannot read.
///
/// Remembers a quarter of a digest of those that were compared: who makes two blobs collide there has one of his own
/// served unchecked by the server, and his clients check it.
final class VerifiedBlobs: Sendable {
    private struct State {
        var seconds: [UInt64: Int64] = [:]
        var unreadable: Set<Digest> = []
        var hasMetUnreadable = false
    }

    /// About 24 MB; past it everything is forgotten, which costs a check and nothing else.
    private static let limit = 1_000_000
    /// A disk that is this bad has other troubles.
    private static let unreadableLimit = 100_000

    private let state = Mutex(State())

    /// How many blobs could not be read when that was last tried.
    var unreadableCount: Int { self.state.withLock { $0.unreadable.count } }

    /// Whether a blob could not be read at any time since the start.
    var hasMetUnreadable: Bool { self.state.withLock { $0.hasMetUnreadable } }

    /// Whether the blob was found sound at or after a moment.
    func isSound(_ digest: Digest, since moment: Timestamp) -> Bool {
        let key = Self.key(of: digest)
        return self.state.withLock { $0.seconds[key].map { $0 >= moment.milliseconds / 1_000 } ?? false }
    }

    /// The positions of those that were not found sound at or after a moment.
    func unsound(_ records: ArraySlice<BlobRecord>, since moment: Timestamp) -> [Int] {
        self.state.withLock { state in
            records.indices.filter { index in
                guard let found = state.seconds[Self.key(of: records[index].digest)] else { return true }
                return found < moment.milliseconds / 1_000
            }
        }
    }

    func note(_ digests: [Digest], at now: Timestamp) {
        self.state.withLock { state in
            if state.seconds.count > Self.limit { state.seconds.removeAll() }
            for digest in digests { state.seconds[Self.key(of: digest)] = now.milliseconds / 1_000 }
            if !state.unreadable.isEmpty { state.unreadable.subtract(digests) }
        }
    }

    /// Forgets blobs that are stored anew or taken out of use.
    func forget(_ digests: [Digest]) {
        self.state.withLock { state in
            if !state.unreadable.isEmpty { state.unreadable.subtract(digests) }
            guard !state.seconds.isEmpty else { return }
            for digest in digests { state.seconds[Self.key(of: digest)] = nil }
        }
    }

    /// Forgets what was compared, because what was sound then may not be so now.
    func forgetAll() { self.state.withLock { $0.seconds.removeAll() } }

    /// Remembers a blob that cannot be read; the first time, all that was sound before is doubtful.
    ///
    /// - Returns: Whether that was not known. Later reads of it change nothing, so that nobody makes the server compare
    ///   everything again by asking for the same blob.
    func noteUnreadable(_ digest: Digest) -> Bool {
        self.state.withLock { state in
            state.hasMetUnreadable = true
            guard state.unreadable.count < Self.unreadableLimit, state.unreadable.insert(digest).inserted else {
                return false
            }
            state.seconds.removeAll()
            return true
        }
    }

    /// Whether the blob could not be read when that was last tried.
    func isUnreadable(_ digest: Digest) -> Bool { self.state.withLock { $0.unreadable.contains(digest) } }

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
            guard current == record, try await !self.isSoundNow(record) else { return }
            try await self.blobs.quarantine(record.digest, found: found)
            self.verified.forget([record.digest])
            try await self.reportDamage(to: [record.digest], found: found, actor: actor)
        }
    }

    /// Whether a blob can be read and is what its row says.
    private func isSoundNow(_ record: BlobRecord) async throws -> Bool {
        do {
            let blob = try await self.reading { try await self.blobs.open(record.digest) }
            return try await self.isSound(record, blob)
        } catch let error as CacheError where [.notFound, .corrupt, .unreadable].contains(error.code) {
            return false
        }
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
            do {
                if try await !self.inspect(record, found: .report) { damaged += 1 }
            } catch let error as CacheError where error.saysNothingOfBytes {
                // That it cannot be read is known now; the others are looked at all the same.
            }
            self.rechecked.note([record.digest], at: self.now())
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

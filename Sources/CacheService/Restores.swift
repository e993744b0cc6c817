package import CacheModel
internal import LayerFormat
internal import LayerKernels
internal import Logging
package import NIOCore
package import StorageInterface

/// An entry that is about to be restored.
package struct Restore: Sendable {
    /// The entry and how it was found.
    package var resolution: Resolution
    /// Keeps the entry's bytes while they are fetched.
    package var lease: String
}

extension CacheService {
    /// Finds the entry that a job should restore and protects its bytes.
    package func restore(_ query: KeyQuery, families: [String]) async throws -> Restore? {
        // A lease on an entry that was evicted in between protects nothing, so look again after taking it.
        for _ in 0..<3 {
            guard let resolution = try await self.catalog.resolve(query, at: self.now()) else { break }
            let lease = self.leases.take(
                entry: resolution.entry.id,
                resolution.entry.layers.map(\.recipe),
                at: self.now()
            )
            guard try await self.catalog.entry(resolution.entry.id) != nil else {
                self.leases.end(lease)
                continue
            }
            self.noteHit(resolution, family: families[resolution.patternIndex])
            return Restore(resolution: resolution, lease: lease)
        }
        self.traffic.note { traffic in
            guard let family = families.first else { return }
            traffic.families[.init(project: query.project, name: family), default: .init()].misses += 1
        }
        return nil
    }

    /// Finds the entry that a job would restore, without a trace.
    package func look(for query: KeyQuery) async throws -> Resolution? {
        try await self.catalog.resolve(query, at: self.now())
    }

    /// Ends a restore.
    package func endLease(_ lease: String) { self.leases.end(lease) }

    /// Keeps a lease alive because it is being used.
    package func renewLease(_ lease: String) { self.leases.renew(lease, at: self.now()) }

    /// Looks up blobs that a client wants to fetch, each once per mention; none is there if they are not visible to it.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `notFound` if one of them is not visible from there.
    package func describe(
        _ digests: [Digest],
        in vantage: Vantage,
        session: SaveSession? = nil
    ) async throws -> [BlobRecord] {
        let records = try await self.catalog.blobs(digests, in: vantage, session: session)
        return try digests.map { digest in
            guard let record = records[digest] else {
                throw CacheError(.notFound, "blob \(digest) is not in project \(vantage.project); save the entry again")
            }
            return record
        }
    }

    /// Looks one blob up; it is not there if it is not visible to the client.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `notFound` if it is not visible from there.
    package func describe(_ digest: Digest, in vantage: Vantage) async throws -> BlobRecord {
        guard let record = try await self.catalog.blobs([digest], in: vantage, session: nil)[digest] else {
            throw CacheError(.notFound, "blob \(digest) is not in project \(vantage.project)")
        }
        return record
    }

    /// Opens a blob that ``describe(_:in:)`` found, and compares it with its digest if that is due.
    ///
    /// A row without bytes is damage: the blob is marked missing, so that the entries that need it become misses.
    package func open(_ record: BlobRecord) async throws -> StoredBlob {
        let blob = try await self.openUnchecked(record)
        try await self.verify([record], [blob])
        return blob
    }

    private func openUnchecked(_ record: BlobRecord) async throws -> StoredBlob {
        do {
            let blob = try await self.reading { try await self.blobs.open(record.digest) }
            guard blob.storedSize == record.storedSize, blob.encoding == record.encoding else {
                throw CacheError(.notFound, "blob \(record.digest) has \(blob.storedSize) bytes on the disk")
            }
            return blob
        } catch let error as CacheError where error.code == .notFound {
            try await self.withdraw(record, found: .read)
            throw CacheError(.corrupt, "the bytes of blob \(record.digest) are gone", cause: error)
        }
    }

    /// Makes entries that need damaged blobs invisible, and says so in the log.
    func reportDamage(to digests: [Digest], found: Discovery, actor: String = AuditEvent.server) async throws {
        self.verified.forgetAll()
        let entries = try await self.removing {
            try await self.catalog.markMissing(digests, at: self.now(), actor: actor)
        }
        self.visibility.tick()
        for _ in digests { self.figures.count(found) }
        self.logger.critical(
            "stored bytes are damaged or cannot be read; their entries are misses until they are saved again",
            metadata: [
                "digests": .array(digests.prefix(10).map { "\($0)" }), "found": "\(found.rawValue)",
                "entries": .array(entries.prefix(10).map { "\($0.project) \($0.key)" }),
            ]
        )
    }

    /// Adds bytes that were sent for an entry's family to the figures.
    package func noteSent(_ bytes: Int, for family: Traffic.Family) {
        self.traffic.note { $0.families[family, default: .init()].bytesSent += bytes }
    }

    private func noteHit(_ resolution: Resolution, family: String) {
        let now = self.now()
        self.traffic.note { traffic in
            traffic.uses[resolution.entry.id] = now
            let family = Traffic.Family(project: resolution.entry.project, name: family)
            if resolution.isExact {
                traffic.families[family, default: .init()].exactHits += 1
            } else {
                traffic.families[family, default: .init()].prefixHits += 1
            }
        }
    }
}

extension CacheService {
    /// Reads a whole blob into memory, decodes it and checks it against its digest.
    package func decoded(_ record: BlobRecord) async throws -> [UInt8] {
        try await self.read(record, limit: record.size)
    }

    /// Reads a whole blob of at most `limit` raw bytes into memory and checks it against its digest.
    func read(_ record: BlobRecord, limit: Int) async throws -> [UInt8] {
        guard record.size <= limit else {
            throw CacheError(
                .invalidRequest,
                "blob \(record.digest) has \(record.size) bytes, at most \(limit) expected"
            )
        }
        let stored = try await self.openUnchecked(record)
        let bytes = try await self.offload { try stored.soundBytes(of: record) }
        guard let bytes else {
            try await self.withdraw(record, found: .read)
            throw CacheError(.corrupt, "the bytes of blob \(record.digest) are damaged; save the entry again")
        }
        self.verified.note([record.digest], at: self.now())
        return bytes
    }
}

extension StoredBlob {
    /// Reads the stored bytes; blocks on the disk.
    package func storedBytes() throws -> ByteBuffer {
        switch self.content {
        case .bytes(let buffer): buffer
        case .file(let file): try file.read(0..<file.size)
        }
    }

    /// Reads and decodes the raw bytes, or gives `nil` if they are not what the digest says.
    ///
    /// Blocks on the disk, and computes.
    func soundBytes(of record: BlobRecord) throws -> [UInt8]? {
        do {
            let bytes = try self.rawBytes(size: record.size)
            return SHA256.digest(of: bytes) == record.digest ? bytes : nil
        } catch is FrameError {
            return nil
        } catch let error as CacheError where error.code == .corrupt {
            return nil
        }
    }

    /// Reads and decodes the raw bytes; blocks on the disk, and computes.
    package func rawBytes(size: Int) throws -> [UInt8] {
        let buffer = try self.storedBytes()
        switch self.encoding {
        case .raw: return Array(buffer.readableBytesView)
        case .zstd:
            var codec = FrameCodec()
            var result: Result<[UInt8], FrameError> = .success([])
            buffer.withUnsafeReadableBytes { frame in
                do throws(FrameError) {
                    result = .success(try codec.decompress(frame, size: size))
                } catch {
                    result = .failure(error)
                }
            }
            return try result.get()
        }
    }
}

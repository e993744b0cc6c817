internal import CacheModel
internal import LayerFiles
internal import LayerFormat
internal import LayerKernels
internal import NIOCore
internal import NativeAPI
internal import Synchronization

// Reading, cutting and hashing, compressing, and the network run at the same time: while some batches of chunks are
// compressed or sent, the next one is read. The number of batches in flight bounds the memory.

extension SaveJob {
    /// The raw bytes of a batch: large enough that round trips don't matter, small enough that several fit in memory.
    private static let batchSize = 4 * 1_048_576
    /// The batches that are compressed or sent while the next is read: enough for all processors.
    private static let batchesInFlight = min(6, max(3, System.coreCount + 1))
    /// The raw bytes of small blobs that travel together.
    private static let smallBatchSize = 8 * 1_048_576

    /// Uploads what the server lacks of a layer, and describes the layer.
    func upload(_ scan: LayerScan, known: Layer?, into result: inout SaveResult) async throws -> Layer {
        let stamps = try scan.tree.stamps.encoded()
        var layer: Layer
        if let known {
            layer = known
            result.chunksTotal += known.chunkCount
            result.bytesUploaded += try await self.uploadSmall([stamps])
        } else {
            let chunks = try await self.uploadChunks(of: scan, into: &result)
            let contents = try ContentDigests.encode(scan.tree.contentDigests)
            let recipe = Recipe(
                treeDigest: scan.tree.treeDigest,
                streamSize: chunks.reduce(0) { $0 + $1.size },
                chunks: chunks,
                members: scan.tree.members,
                contentDigests: SHA256.digest(of: contents)
            )
            let bytes = try recipe.encoded()
            self.remember(scan, recipe: bytes, contentDigests: contents)
            result.bytesUploaded += try await self.uploadSmall([stamps, contents, bytes])
            layer = Layer(
                path: scan.path,
                anchor: scan.anchor,
                treeDigest: recipe.treeDigest,
                recipe: SHA256.digest(of: bytes),
                stamps: SHA256.digest(of: stamps),
                size: recipe.streamSize,
                memberCount: recipe.members.count,
                chunkCount: chunks.count
            )
        }
        layer.path = scan.path
        layer.anchor = scan.anchor
        layer.stamps = SHA256.digest(of: stamps)
        return layer
    }

    private func uploadChunks(of scan: LayerScan, into result: inout SaveResult) async throws -> [ChunkReference] {
        if let known = try await offload({ self.knownChunks(of: scan) }) {
            do {
                return try await self.uploadChunks(of: scan, known: known, into: &result)
            } catch is ForgottenChunk {
                // The server does not have them any more, or another server is asked: everything is read after all.
            }
        }
        return try await self.uploadChunks(of: scan, known: nil, into: &result)
    }

    private func uploadChunks(
        of scan: LayerScan,
        known: KnownChunks?,
        into result: inout SaveResult
    ) async throws -> [ChunkReference] {
        let total = CanonicalTar.streamSize(of: scan.tree.members)
        let reader = try await offload { BatchReader(try LayerStream(source: scan.tree, known: known)) }
        let claims = ClaimedDigests()
        let level = self.request.level
        let encoders = ReusePool { BlobEncoder(level: level) }
        var batches: [UploadedBatch] = []
        try await withThrowingTaskGroup(of: UploadedBatch.self) { group in
            var index = 0
            while case let chunks = try await offload({ try reader.next(Self.batchSize) }), !chunks.isEmpty {
                if index - batches.count == Self.batchesInFlight, let done = try await group.next() {
                    batches.append(done)
                }
                let own = index
                group.addTask { try await self.upload(chunks, at: own, claims, encoders) }
                index += 1
                self.report(.progress(done: reader.position, total: total))
            }
            for try await done in group { batches.append(done) }
        }
        let chunks = batches.sorted { $0.index < $1.index }.flatMap(\.chunks)
        result.bytesUploaded += batches.reduce(0) { $0 + $1.bytesUploaded }
        result.chunksUploaded += batches.reduce(0) { $0 + $1.chunksUploaded }
        result.chunksTotal += chunks.count
        return chunks
    }

    private func knownChunks(of scan: LayerScan) -> KnownChunks? {
        guard let directory = self.request.cacheDirectory else { return nil }
        let folder = self.request.places.folder(of: scan.anchor)
        let memory = ChunkMemory.load(from: directory, anchor: folder, path: scan.path)
        return memory?.compare(with: scan.tree.members, contentDigests: scan.tree.contentDigests)
    }

    /// A memory only saves time; one that cannot be written is no reason to fail.
    private func remember(_ scan: LayerScan, recipe: [UInt8], contentDigests: [UInt8]) {
        guard let directory = self.request.cacheDirectory else { return }
        let folder = self.request.places.folder(of: scan.anchor)
        try? ChunkMemory.save(
            recipe: recipe,
            contentDigests: contentDigests,
            to: directory,
            anchor: folder,
            path: scan.path
        )
    }

    private func upload(
        _ chunks: [HashedChunk],
        at index: Int,
        _ claims: ClaimedDigests,
        _ encoders: ReusePool<BlobEncoder>
    ) async throws -> UploadedBatch {
        var batch = UploadedBatch(index: index)
        batch.chunks = chunks.map(\.reference)
        let new = claims.claim(chunks)
        guard !new.isEmpty else { return batch }
        let missing = try await self.client.missingBlobs(new.map(\.reference.digest), session: self.session)
        let wanted = try new.filter { missing.contains($0.reference.digest) }.map { item in
            guard let chunk = item.chunk else { throw ForgottenChunk() }
            return (chunk: chunk, digest: item.reference.digest)
        }
        guard !wanted.isEmpty else { return batch }
        let records = try await offload {
            try encoders.withElement { encoder in
                var buffer = ByteBuffer()
                for item in wanted {
                    try item.chunk.withBytes { bytes throws in
                        _ = try encoder.append(bytes, digest: item.digest, to: &buffer)
                    }
                }
                return buffer
            }
        }
        try await self.client.storeBlobs(records, session: self.session)
        batch.bytesUploaded = records.readableBytes - wanted.count * BlobRecordCoding.headerSize
        batch.chunksUploaded = wanted.count
        return batch
    }

    /// Uploads blobs that are in memory, those the server lacks: together, or large ones one by one.
    private func uploadSmall(_ blobs: [[UInt8]]) async throws -> Int {
        guard blobs.reduce(0, { $0 + $1.count }) <= Self.smallBatchSize || blobs.count == 1 else {
            var size = 0
            for blob in blobs { size += try await self.uploadSmall([blob]) }
            return size
        }
        let digests = blobs.map { SHA256.digest(of: $0) }
        let missing = try await self.client.missingBlobs(digests, session: self.session)
        let level = self.request.level
        let (records, size) = try await offload {
            let encoder = BlobEncoder(level: level)
            var buffer = ByteBuffer()
            var size = 0
            for (blob, digest) in zip(blobs, digests) where missing.contains(digest) {
                size += try blob.withUnsafeBytes {
                    try encoder.append($0, digest: digest, to: &buffer)
                }
            }
            return (buffer, size)
        }
        if records.readableBytes > 0 { try await self.client.storeBlobs(records, session: self.session) }
        return size
    }
}

private struct UploadedBatch: Sendable {
    /// Where in the layer's stream the batch stands.
    var index: Int
    var chunks: [ChunkReference] = []
    var bytesUploaded = 0
    var chunksUploaded = 0

    init(index: Int) { self.index = index }
}

/// The digests that a layer's batches take care of, so that a content that repeats is sent once.
private final class ClaimedDigests: Sendable {
    private let digests = Mutex<Set<Digest>>([])

    /// The chunks whose digests nobody has claimed before.
    func claim(_ wanted: [HashedChunk]) -> [HashedChunk] {
        self.digests.withLock { digests in wanted.filter { digests.insert($0.reference.digest).inserted } }
    }
}

/// A chunk and its name.
private struct HashedChunk: Sendable {
    var reference: ChunkReference
    /// Its bytes; none if they were not read, because it was uploaded at the last save.
    var chunk: RawChunk?
}

/// A chunk that was not read is not on the server.
private struct ForgottenChunk: Error {}

/// A layer's stream that is read batch by batch, each on whatever thread is free.
///
/// Sound to share: the one upload that owns it awaits each batch before it asks for the next.
private final class BatchReader: @unchecked Sendable {
    private let stream: LayerStream
    /// How many bytes of the stream were read.
    private(set) var position = 0

    init(_ stream: LayerStream) { self.stream = stream }

    /// The most chunks in a batch: those that are known weigh nothing.
    private static let maximumCount = 1_000

    /// The next chunks, which were read with `size` bytes or a little more; each is hashed while it is still in the
    /// processor's cache.
    func next(_ size: Int) throws -> [HashedChunk] {
        var batch: [HashedChunk] = []
        var read = 0
        while read < size, batch.count < Self.maximumCount {
            if let reference = try self.stream.nextKnown() {
                batch.append(HashedChunk(reference: reference))
                self.position += reference.size
                continue
            }
            guard let chunk = try self.stream.next() else { break }
            let digest = chunk.withBytes { SHA256.digest(of: $0) }
            batch.append(HashedChunk(reference: ChunkReference(digest: digest, size: chunk.count), chunk: chunk))
            self.position += chunk.count
            read += chunk.count
        }
        return batch
    }
}

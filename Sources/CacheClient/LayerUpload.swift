internal import CacheModel
internal import LayerFiles
internal import LayerFormat
internal import LayerKernels
internal import NIOCore
internal import NativeAPI
internal import Synchronization

// Reading and cutting, hashing and compressing, and the network run at the same time: while some batches of chunks are
// hashed, compressed or sent, the next one is read. The number of batches in flight bounds the memory.

extension SaveJob {
    /// The raw bytes of a batch: large enough that round trips don't matter, small enough that several fit in memory.
    private static let batchSize = 4 * 1_048_576
    /// The batches that are hashed, compressed or sent while the next is read: enough for all processors.
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
            let chunks = try await self.uploadChunks(of: scan.tree, into: &result)
            let contents = try ContentDigests.encode(scan.tree.contentDigests)
            let recipe = Recipe(
                treeDigest: scan.tree.treeDigest,
                streamSize: chunks.reduce(0) { $0 + $1.size },
                chunks: chunks,
                members: scan.tree.members,
                contentDigests: SHA256.digest(of: contents)
            )
            let bytes = try recipe.encoded()
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

    private func uploadChunks(of tree: ScannedTree, into result: inout SaveResult) async throws -> [ChunkReference] {
        let total = CanonicalTar.streamSize(of: tree.members)
        let reader = try await offload { BatchReader(try LayerStream(source: tree)) }
        let claims = ClaimedDigests()
        var batches: [UploadedBatch] = []
        try await withThrowingTaskGroup(of: UploadedBatch.self) { group in
            var index = 0
            while case let chunks = try await offload({ try reader.next(Self.batchSize) }), !chunks.isEmpty {
                if index - batches.count == Self.batchesInFlight, let done = try await group.next() {
                    batches.append(done)
                }
                let own = index
                group.addTask { try await self.upload(chunks, at: own, claims) }
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

    private func upload(_ chunks: [RawChunk], at index: Int, _ claims: ClaimedDigests) async throws -> UploadedBatch {
        let digests = try await offload { chunks.map { $0.withBytes { SHA256.digest(of: $0) } } }
        var batch = UploadedBatch(index: index)
        batch.chunks = zip(digests, chunks).map { ChunkReference(digest: $0, size: $1.count) }
        let new = claims.claim(digests)
        guard !new.isEmpty else { return batch }
        let missing = try await self.client.missingBlobs(new.map { digests[$0] }, session: self.session)
        let wanted = new.filter { missing.contains(digests[$0]) }
        guard !wanted.isEmpty else { return batch }
        let level = self.request.level
        let records = try await offload {
            var codec = FrameCodec(level: level)
            var buffer = ByteBuffer()
            for item in wanted {
                try chunks[item].withBytes { bytes throws in
                    _ = try BlobCoding.append(bytes, digest: digests[item], with: &codec, to: &buffer)
                }
            }
            return buffer
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
            var codec = FrameCodec(level: level)
            var buffer = ByteBuffer()
            var size = 0
            for (blob, digest) in zip(blobs, digests) where missing.contains(digest) {
                size += try blob.withUnsafeBytes {
                    try BlobCoding.append($0, digest: digest, with: &codec, to: &buffer)
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

    /// The positions of the digests that nobody has claimed before.
    func claim(_ wanted: [Digest]) -> [Int] {
        self.digests.withLock { digests in wanted.indices.filter { digests.insert(wanted[$0]).inserted } }
    }
}

/// A layer's stream that is read batch by batch, each on whatever thread is free.
///
/// Sound to share: the one upload that owns it awaits each batch before it asks for the next.
private final class BatchReader: @unchecked Sendable {
    private let stream: LayerStream
    /// How many bytes of the stream were read.
    private(set) var position = 0

    init(_ stream: LayerStream) { self.stream = stream }

    func next(_ size: Int) throws -> [RawChunk] {
        var batch: [RawChunk] = []
        let end = self.position + size
        while self.position < end, let chunk = try self.stream.next() {
            batch.append(chunk)
            self.position += chunk.count
        }
        return batch
    }
}

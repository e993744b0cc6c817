internal import CacheModel
internal import LayerFiles
internal import LayerFormat
internal import LayerKernels
internal import NIOCore
internal import NativeAPI

// Reading and cutting, hashing and compressing, and the network run at the same time: while some batches of chunks are
// compressed or sent, the next one is read. The number of batches in flight bounds the memory.

extension SaveJob {
    /// The raw bytes of a batch: large enough that round trips don't matter, small enough that several fit in memory.
    private static let batchSize = 4 * 1_048_576
    /// The batches that are compressed or sent while the next is read.
    private static let batchesInFlight = 3

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
        var chunks: [ChunkReference] = []
        var seen: Set<Digest> = []
        var uploaded = UploadedBatch()
        try await withThrowingTaskGroup(of: UploadedBatch.self) { group in
            var inFlight = 0
            while case let batch = try await offload({ try reader.next(Self.batchSize) }), !batch.isEmpty {
                chunks += batch.map { ChunkReference(digest: $0.digest, size: $0.chunk.count) }
                let new = batch.filter { seen.insert($0.digest).inserted }
                if inFlight == Self.batchesInFlight, let done = try await group.next() {
                    uploaded.add(done)
                    inFlight -= 1
                }
                group.addTask { try await self.upload(new) }
                inFlight += 1
                self.report(.progress(done: reader.position, total: total))
            }
            for try await done in group { uploaded.add(done) }
        }
        result.bytesUploaded += uploaded.bytes
        result.chunksUploaded += uploaded.chunks
        result.chunksTotal += chunks.count
        return chunks
    }

    private func upload(_ batch: [HashedChunk]) async throws -> UploadedBatch {
        guard !batch.isEmpty else { return UploadedBatch() }
        let missing = try await self.client.missingBlobs(batch.map(\.digest), session: self.session)
        let wanted = batch.filter { missing.contains($0.digest) }
        guard !wanted.isEmpty else { return UploadedBatch() }
        let level = self.request.level
        let records = try await offload {
            var codec = FrameCodec(level: level)
            var buffer = ByteBuffer()
            for item in wanted {
                try item.chunk.withBytes { bytes throws in
                    _ = try BlobCoding.append(bytes, digest: item.digest, with: &codec, to: &buffer)
                }
            }
            return buffer
        }
        try await self.client.storeBlobs(records, session: self.session)
        let headers = wanted.count * BlobRecordCoding.headerSize
        return UploadedBatch(bytes: records.readableBytes - headers, chunks: wanted.count)
    }

    /// Uploads blobs that are in memory, those the server lacks.
    private func uploadSmall(_ blobs: [[UInt8]]) async throws -> Int {
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
    var bytes = 0
    var chunks = 0

    mutating func add(_ other: Self) {
        self.bytes += other.bytes
        self.chunks += other.chunks
    }
}

private struct HashedChunk: Sendable {
    var chunk: RawChunk
    var digest: Digest
}

/// A layer's stream that is read batch by batch, each on whatever thread is free.
///
/// Sound to share: the one upload that owns it awaits each batch before it asks for the next.
private final class BatchReader: @unchecked Sendable {
    private let stream: LayerStream
    /// How many bytes of the stream were read.
    private(set) var position = 0

    init(_ stream: LayerStream) { self.stream = stream }

    func next(_ size: Int) throws -> [HashedChunk] {
        var batch: [HashedChunk] = []
        let end = self.position + size
        while self.position < end, let chunk = try self.stream.next() {
            batch.append(HashedChunk(chunk: chunk, digest: chunk.withBytes { SHA256.digest(of: $0) }))
            self.position += chunk.count
        }
        return batch
    }
}

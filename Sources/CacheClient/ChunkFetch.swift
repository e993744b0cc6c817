internal import CacheModel
internal import Glibc
internal import LayerFiles
internal import LayerFormat
internal import LayerKernels
internal import NIOCore
internal import NativeAPI

/// Fetches chunks in a few parallel transfers, and decompresses, checks and writes each as it arrives.
struct ChunkFetch: Sendable {
    /// What was fetched, and where the time went.
    struct Result: Sendable {
        var bytes = 0
        var chunks = 0
        var downloadTime = Duration.zero
        var decodeTime = Duration.zero
        var writeTime = Duration.zero

        mutating func add(_ other: Self) {
            self.bytes += other.bytes
            self.chunks += other.chunks
            self.downloadTime += other.downloadTime
            self.decodeTime += other.decodeTime
            self.writeTime += other.writeTime
        }
    }

    /// Raw bytes that are asked for at once: few large transfers instead of many small ones.
    private static let batchSize = 4 * 1_048_576
    private static let transfersInFlight = 4

    let client: NativeClient
    let recipe: Recipe
    let restorer: TreeRestorer
    let lease: String?
    let report: @Sendable (TransferEvent) -> Void
    /// Where each chunk belongs: one with a content that repeats has several places.
    private let positions: [Digest: [Int]]
    private let decoders = ReusePool { BlobDecoder() }

    init(
        client: NativeClient,
        recipe: Recipe,
        restorer: TreeRestorer,
        lease: String?,
        report: @escaping @Sendable (TransferEvent) -> Void
    ) {
        self.client = client
        self.recipe = recipe
        self.restorer = restorer
        self.lease = lease
        self.report = report
        self.positions = Dictionary(grouping: recipe.chunks.indices) { recipe.chunks[$0].digest }
    }

    /// Fetches the chunks at these positions of the recipe.
    func run(_ positions: [Int]) async throws -> Result {
        let batches = self.batches(positions)
        let total = positions.reduce(0) { $0 + self.recipe.chunks[$1].size }
        var done = 0
        var result = Result()
        try await withThrowingTaskGroup(of: (Result, size: Int).self) { group in
            var next = batches.makeIterator()
            for _ in 0..<Self.transfersInFlight {
                if let batch = next.next() { group.addTask { try await self.fetch(batch) } }
            }
            while let (part, size) = try await group.next() {
                result.add(part)
                done += size
                self.report(.progress(done: done, total: total))
                if let batch = next.next() { group.addTask { try await self.fetch(batch) } }
            }
        }
        return result
    }

    /// One transfer.
    private struct Batch: Sendable {
        var digests: [Digest] = []
        var size = 0
    }

    private func batches(_ positions: [Int]) -> [Batch] {
        var batches: [Batch] = []
        var batch = Batch()
        var seen: Set<Digest> = []
        for position in positions {
            let chunk = self.recipe.chunks[position]
            guard seen.insert(chunk.digest).inserted else { continue }
            batch.digests.append(chunk.digest)
            batch.size += chunk.size
            if batch.size >= Self.batchSize {
                batches.append(batch)
                batch = Batch()
            }
        }
        return batch.digests.isEmpty ? batches : batches + [batch]
    }

    private func fetch(_ batch: Batch) async throws -> (Result, size: Int) {
        var result = Result()
        let clock = ContinuousClock()
        var waitingSince = clock.now
        try await self.client.fetchBlobs(batch.digests, lease: self.lease) { header, stored in
            result.downloadTime += clock.now - waitingSince
            let times: (decode: Duration, write: Duration)
            do {
                times = try await offload { try self.write(header, stored) }
            } catch let error as CacheError where error.code == .corrupt {
                await cleanUp { try await self.client.reportSuspects([header.digest]) }
                throw error
            }
            result.bytes += stored.readableBytes
            result.chunks += 1
            result.decodeTime += times.decode
            result.writeTime += times.write
            waitingSince = clock.now
        }
        return (result, batch.size)
    }

    private func write(
        _ header: BlobRecordCoding.Header,
        _ stored: ByteBuffer
    ) throws -> (decode: Duration, write: Duration) {
        let clock = ContinuousClock()
        let start = clock.now
        return try self.decoders.withElement { decoder in
            try decoder.decode(header, stored, limit: Recipe.maximumChunkSize) { bytes in
                let decoded = clock.now
                for position in self.positions[header.digest] ?? [] {
                    guard self.recipe.chunks[position].size == bytes.count else {
                        throw CacheError(
                            .corrupt,
                            "chunk \(header.digest) has \(bytes.count) bytes, its recipe says otherwise"
                        )
                    }
                    try self.restorer.write(chunk: position, bytes)
                }
                return (decoded - start, clock.now - decoded)
            }
        }
    }
}

/// Makes a folder and those above it, where they are not there yet.
///
/// - Throws: ``CacheModel/CacheError`` that names the folder.
func makeFolder(_ path: String) throws {
    var made = ""
    for part in path.split(separator: "/") {
        made += "/\(part)"
        if mkdir(made, 0o777) != 0, errno != EEXIST {
            throw CacheError(.invalidRequest, "cannot make the folder \(made): \(String(cString: strerror(errno)))")
        }
    }
}

/// Whether something has this name.
func pathExists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
}

internal import CacheModel
internal import GatewayKit
internal import NIOCore
internal import NativeAPI
internal import StorageInterface

/// Takes a body of blob records apart and hands it on in batches while the rest arrives.
///
/// Few batches are stored while the next is received, never more: a store that is slower than the network slows the
/// client down.
struct BlobReceiver: Sendable {
    /// The blobs after which a batch is handed on.
    private static let batchCount = 256

    /// The most bytes of the body.
    let limit: Int
    /// How large batches may be now.
    let share: UploadShare
    /// Stores a batch.
    let store: @Sendable ([NewBlob]) async throws -> Void

    /// What was received.
    struct Report: Sendable {
        var blobs = 0
        var bytes = 0
    }

    /// Receives a whole body.
    ///
    /// - Throws: ``GatewayKit/Failure`` if it is too large, ``CacheModel/CacheError`` if a record is damaged, and what
    ///   `store` throws.
    func receive<Body: AsyncSequence>(_ body: Body) async throws -> Report where Body.Element == ByteBuffer {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var report = Report()
            var records = RecordAssembler()
            var batch: [NewBlob] = []
            var batchBytes = 0
            var stores = 0
            func handOn() async throws {
                while stores >= self.share.pace.storesAtOnce {
                    do {
                        try await group.next()
                    } catch {
                        // A store that refuses one batch is not asked to keep the next.
                        batch = []
                        throw error
                    }
                    stores -= 1
                }
                let blobs = batch
                group.addTask { try await self.keep(blobs) }
                stores += 1
                (batch, batchBytes) = ([], 0)
            }
            do {
                for try await piece in body {
                    report.bytes += piece.readableBytes
                    guard report.bytes <= self.limit else { throw Failure.bodyTooLarge(limit: self.limit) }
                    var piece = Self.compact(piece)
                    while let blob = try records.next(from: &piece) {
                        report.blobs += 1
                        batch.append(blob)
                        batchBytes += blob.storedSize
                        if batchBytes >= self.share.pace.batchSize || batch.count >= Self.batchCount {
                            try await handOn()
                        }
                    }
                }
                guard records.isAtBoundary else {
                    throw CacheError(.invalidRequest, "the body ends in the middle of a blob record; send it again")
                }
            } catch {
                // What arrived whole before the body broke off need not be sent again.
                if !batch.isEmpty { try? await self.keep(batch) }
                throw error
            }
            if !batch.isEmpty { try await handOn() }
            try await group.waitForAll()
            return report
        }
    }

    /// Stores blobs even if the task is cancelled because the connection is gone.
    private func keep(_ blobs: [NewBlob]) async throws {
        try await Task { try await self.store(blobs) }.value
    }

    /// A piece that keeps no more than twice its size in memory.
    ///
    /// Records are made of the connection's receive buffers as they are, and a large buffer may have received little.
    private static func compact(_ piece: ByteBuffer) -> ByteBuffer {
        guard piece.storageCapacity > 2 * piece.readableBytes else { return piece }
        return ByteBuffer(bytes: piece.readableBytesView)
    }
}

internal import Synchronization

/// Divides the memory for uploads among those that are being received.
///
/// An upload that is alone gets large batches, which cost the fewest syncs and transactions; many at once get small
/// ones, so that together they never hold more than a fixed amount.
final class UploadShare: Sendable {
    /// The bytes that all batches together should take.
    private static let budget = 32 * 1_048_576
    /// The bytes of a batch, whatever the number of uploads.
    private static let batchSizes = 1_048_576...4 * 1_048_576

    private let active = Atomic(0)

    /// Runs an upload that counts.
    func taking<Value: Sendable>(_ work: () async throws -> Value) async throws -> Value {
        self.active.add(1, ordering: .relaxed)
        defer { self.active.subtract(1, ordering: .relaxed) }
        return try await work()
    }

    /// How an upload is cut into batches.
    struct Pace {
        /// The stored bytes after which a batch is handed on.
        var batchSize: Int
        /// How many batches are stored while the next is received.
        var storesAtOnce: Int
    }

    /// The pace for now; asked again for each batch.
    ///
    /// Storing mostly waits for the disk, so an upload that is alone stores several batches at once.
    var pace: Pace {
        let active = max(1, self.active.load(ordering: .relaxed))
        let stores = active <= 2 ? 4 : active <= 6 ? 2 : 1
        let share = Self.budget / active / (stores + 1)
        let size = min(max(share, Self.batchSizes.lowerBound), Self.batchSizes.upperBound)
        return Pace(batchSize: size, storesAtOnce: stores)
    }
}

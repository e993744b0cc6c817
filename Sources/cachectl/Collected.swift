internal import CacheModel
internal import Synchronization

/// Bytes that arrive piece by piece and are kept in memory.
final class Collected: Sendable {
    /// The most bytes kept.
    static let limit = 64 * 1_048_576

    private let content = Mutex<[UInt8]>([])

    /// Everything that arrived.
    var bytes: [UInt8] { self.content.withLock { $0 } }

    /// Keeps more bytes.
    ///
    /// - Throws: `CacheError` with code `quotaExceeded` when they become too many.
    func add(_ bytes: UnsafeRawBufferPointer) throws {
        let piece = Array(bytes)
        let size = self.content.withLock { content in
            content += piece
            return content.count
        }
        guard size <= Self.limit else {
            let limit = Quantity.describe(bytes: Self.limit)
            throw CacheError(.quotaExceeded, "the file has more than \(limit), too much for JSON; leave out --json")
        }
    }
}

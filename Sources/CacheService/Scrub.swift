package import CacheModel
internal import Logging
internal import StorageInterface
internal import Synchronization

/// A step of the background pass over all blobs.
package struct ScrubStep: Sendable {
    /// Where the next step starts; `nil` if this one ended the pass.
    package var cursor: Digest?
    /// The stored bytes that were read.
    package var bytes = 0
    /// Blobs that were damaged and are out of use now.
    package var damaged = 0
}

extension CacheService {
    /// How many blobs a step looks at.
    private static let scrubbedAtOnce = 32
    /// The most bytes of a step, so that its reads come in small portions.
    private static let scrubbedBytes = 4 * 1_048_576

    /// Reads the next few blobs in the order of their digests and compares them with these.
    ///
    /// Blobs that cannot be read now are left to the next pass: a disk that is away damages nothing.
    package func scrub(after cursor: Digest?) async throws -> ScrubStep {
        let records = try await self.catalog.allBlobs(after: cursor, limit: Self.scrubbedAtOnce)
        var step = ScrubStep()
        for record in records {
            guard step.bytes == 0 || step.bytes + record.storedSize <= Self.scrubbedBytes else { return step }
            do {
                if try await !self.inspect(record, found: .scrub) { step.damaged += 1 }
            } catch let error as CacheError where error.saysNothingOfBytes {
                self.logger.error(
                    "a blob cannot be read",
                    metadata: ["digest": "\(record.digest)", "error": "\(error)"]
                )
            }
            step.bytes += record.storedSize
            step.cursor = record.digest
            self.figures.scrubbedBytes.add(record.storedSize, ordering: .relaxed)
        }
        if records.count < Self.scrubbedAtOnce { step.cursor = nil }
        return step
    }

    /// Whether uploads are being stored at this moment.
    package var isStoring: Bool { !self.uploads.isEmpty }
}

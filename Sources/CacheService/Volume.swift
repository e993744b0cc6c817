package import CacheModel
internal import StorageInterface
package import NIOPosix

/// What the service asks and tells about the disk under the stores.
package struct Volume: Sendable {
    /// The bytes that can still be written; `nil` if nobody knows.
    package var freeBytes: @Sendable () -> Int? = { nil }
    /// Entries are evicted and saves refused rather than going below this.
    package var minimumFreeBytes = 0
    /// Gives back what is kept for emergencies; `false` if there is nothing.
    package var releaseBallast: @Sendable () -> Bool = { false }
    /// Is told of every write that failed.
    package var writeFailed: @Sendable (CacheError) -> Void = { _ in }
    /// How long a client waits for a disk that does not get on before it is told to come back later; `nil` for as long
    /// as it takes.
    package var patience: Duration?
    /// Counts what the disk has finished, so that a slow one is told from one that hangs.
    package var finishedWrites: @Sendable () -> Int = { 0 }

    /// The threads on which spools are written: a disk that hangs or crawls must not take those of readers and blobs.
    package var spoolers: NIOThreadPool?

    package init() {}
}

extension CacheService {
    /// Runs a change of the stores, and tells the volume's keeper if the disk failed.
    ///
    /// - Throws: What `work` throws, and ``CacheModel/CacheError`` with code `unavailable` if it takes too long.
    func writing<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        do {
            let volume = self.configuration.volume
            guard let patience = volume.patience else { return try await work() }
            if let value = try await within(patience, progress: volume.finishedWrites, work) { return value }
            try Task.checkCancellation()
            throw CacheError(.unavailable, "the server's disk has not taken a write for long; try again later")
        } catch let error as CacheError where error.code == .unavailable || error.code == .quotaExceeded {
            self.configuration.volume.writeFailed(error)
            throw error
        }
    }

    /// Runs a change that makes room, a second time with the ballast's bytes if the disk is full.
    func removing<Value: Sendable>(_ work: () async throws -> Value) async throws -> Value {
        do {
            return try await work()
        } catch let error as CacheError where error.code == .quotaExceeded {
            self.configuration.volume.writeFailed(error)
            guard self.configuration.volume.releaseBallast() else { throw error }
            return try await work()
        }
    }

    /// The bytes that have to be freed before so many more may be written; 0 if there is room.
    func shortfall(writing size: Int) -> Int {
        let volume = self.configuration.volume
        guard let free = volume.freeBytes() else { return 0 }
        return max(0, volume.minimumFreeBytes + size - free)
    }

    /// Whether the disk has less room than it should.
    package var isShortOfRoom: Bool { self.shortfall(writing: 0) > 0 }

    /// Makes room on the disk for so many bytes, whatever the budget says.
    func makeRoomOnDisk(for size: Int, _ budgetClass: Budget.Class) async throws {
        guard self.shortfall(writing: size) > 0 else { return }
        _ = try await self.budget.collectOnce(for: budgetClass) {
            try await self.collect(freeing: 0, onDisk: size, for: budgetClass)
        }
        guard self.shortfall(writing: size) > 0 else { return }
        let free = Quantity.describe(bytes: self.configuration.volume.freeBytes() ?? 0)
        throw CacheError(
            .quotaExceeded,
            "the server's disk is full: \(free) are free, and nothing more can be evicted; free space, "
                + "or lower --min-free-space"
        )
    }
}

internal import CacheModel
internal import CacheService
internal import Glibc
internal import NIOPosix
internal import StorageInterface
internal import Synchronization

/// Knows whether the data folder's disk takes writes, and keeps its ballast.
///
/// A write that failed makes the disk suspect until a probe of its own is on the disk.
final class VolumeWatch: Sendable {
    /// What was seen so far.
    struct Figures {
        /// Writes that failed because the disk was full.
        var full = 0
        /// Writes that failed for another reason, or took too long.
        var failed = 0
        var isSuspect = false
        var hasBallast = false
    }

    private struct State {
        var figures = Figures()
        var probe: Task<Bool, Never>?
    }

    /// How long a probe may take before the disk counts as hung.
    private static let patience = Duration.seconds(3)
    /// How long an upload waits for a disk that finishes nothing: less than clients wait for an answer.
    private static let uploadPatience = Duration.seconds(25)
    /// By default so much of the disk stays free: this share, at most so many bytes.
    private static let freeShare = 100
    private static let freeLimit = 256 * 1_048_576
    /// A ballast takes no more than this share of the disk and of the budget.
    private static let ballastShare = 64
    /// With fewer free inodes than these the disk is full.
    private static let freeInodes = 16

    private let folder: DataFolder
    private let threads: NIOThreadPool
    private let spoolers: NIOThreadPool
    private let ballastSize: Int
    /// The free bytes below which nothing more is saved.
    let minimumFreeBytes: Int
    private let state = Mutex(State())

    /// Starts to watch the folder's disk.
    ///
    /// - Parameters:
    ///   - folder: The folder.
    ///   - configuration: What the server was told.
    ///   - threads: Where probes run: those that write, so that a probe waits where an upload would.
    ///   - spoolers: Where spools are written.
    init(
        _ folder: DataFolder,
        _ configuration: ServerConfiguration,
        _ threads: NIOThreadPool,
        spoolers: NIOThreadPool
    ) {
        self.folder = folder
        self.threads = threads
        self.spoolers = spoolers
        let size = Self.space(of: folder.path)?.size ?? 0
        self.minimumFreeBytes = configuration.minimumFreeSpace ?? min(size / Self.freeShare, Self.freeLimit)
        let share = min(size, configuration.service.policy.budget ?? size) / Self.ballastShare
        self.ballastSize = min(configuration.ballast, share)
        self.state.withLock { $0.figures.hasBallast = access(folder.ballastPath, F_OK) == 0 }
        // A database opens only where it can write its log.
        if let free = self.freeBytes, free < self.ballastSize / 4 { _ = self.releaseBallast() }
    }

    /// What was seen so far.
    var figures: Figures { self.state.withLock { $0.figures } }

    /// The bytes that can be written: none if no file can be made, `nil` if nobody knows.
    var freeBytes: Int? { Self.space(of: self.folder.path)?.free }

    /// The bytes of the ballast that is there.
    var ballastBytes: Int { self.figures.hasBallast ? self.ballastSize : 0 }

    /// What the service sees of it.
    var volume: Volume {
        var volume = Volume()
        volume.freeBytes = { self.freeBytes }
        volume.minimumFreeBytes = self.minimumFreeBytes
        volume.patience = Self.uploadPatience
        volume.spoolers = self.spoolers
        volume.releaseBallast = { self.releaseBallast() }
        volume.writeFailed = { self.note($0) }
        return volume
    }

    /// Whether a file can be written and synced now; waits three seconds at most.
    func takesWrites() async -> Bool {
        let task = self.state.withLock { state in
            if let running = state.probe { return running }
            let task = Task { await self.probe() }
            state.probe = task
            return task
        }
        let isDone = try? await within(Self.patience) { await task.value }
        if isDone == nil { self.state.withLock { $0.figures.isSuspect = true } }
        return isDone ?? false
    }

    /// Looks after the disk: probes it if it is suspect, and makes the ballast again once there is room.
    func tend() async {
        if self.figures.isSuspect { _ = await self.takesWrites() }
        guard !self.figures.hasBallast, self.ballastSize > 0, !self.figures.isSuspect else { return }
        guard let free = self.freeBytes, free > 2 * self.ballastSize + self.minimumFreeBytes else { return }
        _ = try? await self.threads.runIfActive { self.makeBallast() }
    }

    private func probe() async -> Bool {
        let result: Bool
        do {
            try await self.threads.runIfActive { try self.folder.requireWritable() }
            result = true
        } catch {
            result = false
        }
        self.state.withLock { state in
            state.probe = nil
            state.figures.isSuspect = !result
        }
        return result
    }

    private func note(_ error: CacheError) {
        self.state.withLock { state in
            if error.code == .quotaExceeded {
                state.figures.full += 1
            } else {
                state.figures.failed += 1
                state.figures.isSuspect = true
            }
        }
    }

    private func releaseBallast() -> Bool {
        self.state.withLock { state in
            guard state.figures.hasBallast else { return false }
            state.figures.hasBallast = unlink(self.folder.ballastPath) != 0 && errno != ENOENT
            return !state.figures.hasBallast
        }
    }

    private func makeBallast() {
        let file = open(self.folder.ballastPath, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { return }
        let isThere = posix_fallocate(file, 0, off_t(self.ballastSize)) == 0
        close(file)
        if !isThere { unlink(self.folder.ballastPath) }
        self.state.withLock { $0.figures.hasBallast = isThere }
    }

    /// The size of the file system that a path is on.
    static func size(of path: String) -> Int? { self.space(of: path)?.size }

    private static func space(of path: String) -> (size: Int, free: Int)? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        let hasInodes = status.f_files == 0 || status.f_favail >= Self.freeInodes
        let block = Int(status.f_frsize)
        return (Int(status.f_blocks) * block, hasInodes ? Int(status.f_bavail) * block : 0)
    }
}

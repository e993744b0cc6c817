internal import CacheModel
internal import CacheService
internal import Logging
internal import NativeAPI
internal import ServiceLifecycle
internal import Synchronization

/// Reads all blobs again and again and compares them with their digests: a pass a week, never faster than it may.
///
/// How far it has come stands in `scrub.json` in the data folder; losing that costs a part of a pass.
final class ScrubJob: Service {
    /// How far the pass has come.
    struct Progress: Codable, Sendable {
        /// The last blob that was looked at; none if no pass is running.
        var cursor: Digest?
        /// When the pass began, in milliseconds since 1970 UTC.
        var startedAt: Int64 = 0
        /// When the last whole pass ended.
        var finishedAt: Int64?
    }

    /// From the start of a pass to the start of the next.
    private static let period = Duration.seconds(7 * 86_400)
    /// The first minute after a start belongs to the clients.
    private static let calm = Duration.seconds(60)
    /// How long uploads may hold up the next step.
    private static let patience = 60
    /// The steps after which the progress is written.
    private static let stepsPerNote = 64

    private let service: CacheService
    private let path: String
    private let rate: Int
    private let logger: Logger
    private let progress: Mutex<Progress>

    init(_ service: CacheService, _ folder: DataFolder, rate: Int, logger: Logger) {
        (self.service, self.path, self.rate, self.logger) = (service, folder.scrubPath, rate, logger)
        // What is not there or not readable begins a new pass.
        let text = try? AtomicFile.read(folder.scrubPath, limit: 4_096)
        let known = text.flatMap { try? NativeJSON.decode(Progress.self, from: Array($0.utf8)) }
        self.progress = Mutex(known ?? Progress())
    }

    /// When the last whole pass ended, in seconds since 1970 UTC.
    var finishedAt: Double? { self.progress.withLock { $0.finishedAt.map { Double($0) / 1_000 } } }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            do {
                try await Task.sleep(for: Self.calm)
                while !Task.isCancelled { try await self.pass() }
            } catch {
                // Only a sleep that was cancelled ends here: the server stops.
            }
        }
        self.writeProgress()
    }

    /// Waits for the time of the next pass, then does it, or the rest of one.
    private func pass() async throws {
        var current = self.progress.withLock { $0 }
        let now = Timestamp.current
        if current.cursor == nil {
            let next = Timestamp(milliseconds: current.startedAt) + Self.period
            if current.finishedAt != nil, next > now {
                try await Task.sleep(for: .milliseconds(min(next.milliseconds - now.milliseconds, 3_600_000)))
                return
            }
            current.startedAt = now.milliseconds
            self.progress.withLock { $0 = current }
        }
        var steps = 0
        repeat {
            let step: ScrubStep
            do {
                step = try await self.service.scrub(after: current.cursor)
            } catch {
                self.logger.error("the scrub was held up", metadata: ["error": "\(error)"])
                try await Task.sleep(for: .seconds(60))
                return
            }
            current.cursor = step.cursor
            if step.cursor == nil { current.finishedAt = Timestamp.current.milliseconds }
            self.progress.withLock { [current] in $0 = current }
            steps += 1
            if steps % Self.stepsPerNote == 0 || step.cursor == nil { self.writeProgress() }
            try await self.pause(after: step.bytes)
        } while current.cursor != nil
    }

    /// Keeps to the rate, and out of the way of uploads.
    private func pause(after bytes: Int) async throws {
        try await Task.sleep(for: .seconds(max(Double(bytes) / Double(max(1, self.rate)), 0.01)))
        for _ in 0..<Self.patience where self.service.isStoring { try await Task.sleep(for: .seconds(1)) }
    }

    private func writeProgress() {
        let progress = self.progress.withLock { $0 }
        do {
            try AtomicFile.write(String(decoding: try NativeJSON.encode(progress), as: UTF8.self), to: self.path)
        } catch {
            self.logger.debug("the progress of the scrub was not written", metadata: ["error": "\(error)"])
        }
    }
}

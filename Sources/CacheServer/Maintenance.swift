internal import CacheService
internal import GatewayKit
internal import Logging
internal import NativeGateway
internal import ServiceLifecycle

/// Runs something again and again until the server stops.
struct RepeatedJob: Service {
    let name: String
    let interval: Duration
    let logger: Logger
    /// Whether to run once more when the server stops.
    let runsAtEnd: Bool
    let work: @Sendable () async throws -> Void

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.runOnce()
                // Ends at once when the server stops.
                try? await Task.sleep(for: self.interval)
            }
        }
        if self.runsAtEnd { await self.runOnce() }
    }

    /// A failure is not the end: the next turn tries again.
    private func runOnce() async {
        do {
            try await self.work()
        } catch is CancellationError {
            self.logger.debug("job interrupted", metadata: ["job": "\(self.name)"])
        } catch {
            self.logger.error("job failed", metadata: ["job": "\(self.name)", "error": "\(error)"])
        }
    }
}

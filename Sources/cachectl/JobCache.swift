internal import CacheClient
internal import CacheModel
internal import CommandLineKit
internal import KeyTemplates
internal import LayerFiles
internal import NativeAPI
internal import Signatures

/// Restores and saves around a command; what goes wrong with the cache is told and, unless the job wants to know, forgotten.
struct JobCache: Sendable {
    private let settings: Settings
    private let isStrict: Bool
    private let allowsSecrets: Bool
    private let log = JobLog(usesErrorOutput: true)

    init(_ settings: Settings, isStrict: Bool, allowsSecrets: Bool) {
        self.settings = settings
        self.isStrict = isStrict
        self.allowsSecrets = allowsSecrets
    }

    /// Restores the best entry for some keys.
    ///
    /// - Throws: The error of the cache if the job wants to know.
    func restore(_ keys: [ExpandedKey]) async throws -> RunOutcome.Restored {
        do {
            let patterns = try keys.map { key in
                ResolveRequest.Pattern(key: try key.cacheKey(), provenance: self.settings.provenance(of: key))
            }
            var request = RestoreJob.Request(keys: patterns, places: self.settings.places)
            request.cacheDirectory = self.settings.cacheDirectory
            request.trust = try TrustPolicy.read()
            let result = try await self.settings.withClient("cachectl") { [request] client in
                var request = request
                request.scope = self.settings.requestedScope(of: client)
                return try await RestoreJob(client: client, request: request, report: { self.tell($0, "Restoring") })
                    .run()
            }
            self.log.endProgress()
            return self.tell(result, asked: patterns[0].key)
        } catch {
            try self.forget(error)
            return .failed
        }
    }

    private func tell(_ result: RestoreResult, asked: CacheKey) -> RunOutcome.Restored {
        guard let hit = result.hit else {
            self.log.complain("No cache is found for key: \(asked)")
            if let refusal = result.refusal { self.log.complain("  \(refusal)") }
            if let reason = result.explanations.first?.summary { self.log.complain("  \(reason)") }
            return .miss
        }
        let files = "\(result.filesWritten) files written, \(result.filesKept + result.filesReused) kept"
        self.log.complain("Restored '\(hit.entry.key)' in \(Quantity.describe(result.duration)): \(files)")
        // A key of --restore-key that is found exactly is not the key of the command.
        return hit.isExact && hit.keyIndex == 0 ? .exact : .prefix
    }

    /// Saves paths under a key.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - paths: The paths.
    ///   - secrets: Becomes the files that seem to hold secrets, if the save was refused because of them.
    /// - Returns: Whether there is an entry with the key now.
    /// - Throws: The error of the cache if the job wants to know.
    func save(_ key: ExpandedKey, paths: [String], secrets: inout [FoundSecret]) async throws -> Bool {
        do {
            var request = SaveJob.Request(
                key: try key.cacheKey(),
                provenance: self.settings.provenance(of: key),
                paths: paths,
                places: self.settings.places
            )
            request.cacheDirectory = self.settings.cacheDirectory
            request.allowsSecrets = self.allowsSecrets
            request.signingKey = try KeyFiles.signingKey(nil)
            request.producer = self.settings.producer
            let result = try await self.settings.withClient("cachectl") { [request] client in
                var request = request
                request.scope = self.settings.requestedScope(of: client)
                return try await SaveJob(client: client, request: request, report: { self.tell($0, "Saving") }).run()
            }
            self.log.endProgress()
            return try self.tell(result, secrets: &secrets)
        } catch {
            try self.forget(error)
            return false
        }
    }

    private func tell(_ result: SaveResult, secrets: inout [FoundSecret]) throws -> Bool {
        let bytes = Quantity.describe(bytes: result.bytesUploaded)
        switch result.outcome {
        case .saved: self.log.complain("Saved '\(result.key)': \(bytes) uploaded")
        case .known: self.log.complain("Saved '\(result.key)': its content was there already")
        case .exists: self.log.complain("'\(result.key)' exists already, nothing was saved")
        case .refused(let reason):
            throw CacheError(.invalidRequest, "nothing was saved under '\(result.key)': \(reason)")
        case .holdsSecrets(let found):
            secrets = found
            for line in SecretsReport.lines(for: found) { self.log.complain(line) }
            throw CacheError(.invalidRequest, "nothing was saved under '\(result.key)': \(SecretsReport.reason)")
        }
        return true
    }

    private func tell(_ event: TransferEvent, _ label: String) {
        switch event {
        case .progress(let done, let total): self.log.progress(label, done: done, total: total)
        case .missingPath(let path): self.log.complain("Warning: '\(path)' does not exist")
        case .warning(let text): self.log.complain("Warning: \(text)")
        case .scanning, .found: break
        }
    }

    private func forget(_ error: any Error) throws {
        self.log.endProgress()
        if self.isStrict || error is CancellationError { throw error }
        self.log.complain("Error: \(error)")
        self.log.complain("The job goes on without the cache.")
    }
}

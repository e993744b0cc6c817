internal import CacheClient
internal import CacheModel
internal import CommandLineKit

/// Tells a save in CircleCI's words, and what Tarn knows beyond them.
struct SaveReport: Sendable {
    let log: JobLog

    /// Tells what happens while it happens.
    func tell(_ event: TransferEvent) {
        switch event {
        case .scanning(let path): self.log.line("Creating cache archive of \(path)...")
        case .missingPath(let path): self.log.complain("Warning: could not archive \(path) - Not found")
        case .warning(let text): self.log.complain("Warning: \(text)")
        case .progress(let done, let total): self.log.progress("Saving", done: done, total: total)
        case .found: break
        }
    }

    /// Tells how it ended.
    func tell(_ result: SaveResult) {
        self.log.endProgress()
        switch result.outcome {
        case .saved, .known:
            self.log.line("Stored Cache to \(result.key)")
            for path in result.paths { self.log.line("  * \(path)") }
            self.log.line("Total size uploaded: \(Quantity.describe(bytes: result.bytesUploaded))")
            if case .known = result.outcome {
                self.log.line("The server had all of it: \(result.chunksTotal) chunks known, no content uploaded")
            } else {
                let size = Quantity.describe(bytes: result.bytesRead)
                self.log.line("\(result.chunksUploaded) of \(result.chunksTotal) chunks uploaded for \(size) of files")
            }
            self.log.line("Save duration: \(Quantity.describe(result.duration))")
        case .exists(let entry, let isSameContent):
            self.log.line("Skipping cache generation, cache already exists for key: \(result.key)")
            self.log.line("Found one created at \(entry.createdAt)")
            if let isSameContent {
                self.log.line(isSameContent ? "It has the same content." : "It has other content; keys are immutable.")
            }
        case .refused(let reason):
            self.log.line("Skipping cache generation: \(reason)")
        case .holdsSecrets(let secrets):
            for line in SecretsReport.lines(for: secrets) { self.log.complain(line) }
        }
    }
}

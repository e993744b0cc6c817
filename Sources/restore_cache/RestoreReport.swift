internal import CacheClient
internal import CacheModel
internal import CommandLineKit
internal import NativeAPI

/// Tells a restore in CircleCI's words, and what Tarn knows beyond them.
struct RestoreReport: Sendable {
    let log: JobLog
    let templates: [String]
    let explains: Bool
    let isDryRun: Bool

    /// Tells what happens while it happens.
    func tell(_ event: TransferEvent) {
        switch event {
        case .found(let entry, _):
            let build = entry.provenance.build.map { " from build \($0)" } ?? ""
            self.log.line("Found a cache\(build) at \(entry.key)")
            self.log.line("Size: \(Quantity.describe(bytes: entry.size))")
            self.log.line("Cached paths:")
            for layer in entry.layers { self.log.line("  * \(layer.displayPath)") }
            self.log.line()
        case .progress(let done, let total): self.log.progress("Restoring", done: done, total: total)
        case .warning(let text): self.log.complain("Warning: \(text)")
        case .scanning, .missingPath: break
        }
    }

    /// Tells how it ended.
    ///
    /// - Parameters:
    ///   - result: `nil` if there was no key to ask for.
    ///   - usedTemplates: The templates that gave keys, in the order of the keys.
    func tell(_ result: RestoreResult?, usedTemplates: [String]) {
        self.log.endProgress()
        guard let result else { return }
        guard let hit = result.hit else {
            if let refusal = result.refusal { self.log.complain("No cache is restored: \(refusal)") }
            self.tellMiss(result.explanations)
            return
        }
        let fetched = "\(Quantity.describe(bytes: result.bytesDownloaded)) in \(result.chunksDownloaded) chunks"
        let reused = result.chunksTotal - result.chunksDownloaded
        let files =
            "\(result.filesWritten) files written, \(result.filesReused) copied from disk, \(result.filesKept) kept"
        if self.isDryRun {
            self.log.line("Would fetch \(fetched), \(reused) chunks not needed; \(files)")
            return
        }
        self.log.line("Fetched \(fetched), \(reused) chunks not needed; \(files)")
        let times = [("download", result.downloadTime), ("decompress", result.decodeTime), ("write", result.writeTime)]
        let parts = times.map { "\($0.0) \(Quantity.describe($0.1))" }.joined(separator: ", ")
        self.log.line("Time in \(parts) (summed over what ran at once)")
        let template = usedTemplates.indices.contains(hit.keyIndex) ? usedTemplates[hit.keyIndex] : hit.entry.key.text
        self.log.line("Restore duration for \(template): \(Quantity.describe(result.duration))")
    }

    private func tellMiss(_ explanations: [MissExplanation]) {
        for explanation in explanations {
            self.log.line("No cache is found for key: \(explanation.key)")
            self.log.line("  \(explanation.summary)")
            if self.explains { for detail in explanation.details { self.log.line("    \(detail)") } }
        }
    }
}

extension Layer {
    /// The path with its anchor, as a person would write it.
    var displayPath: String {
        switch self.anchor {
        case .workdir: self.path
        case .home: self.path == "." ? "~" : "~/\(self.path)"
        case .root: self.path == "." ? "/" : "/\(self.path)"
        }
    }
}

internal import CacheModel
internal import CacheService
internal import GatewayKit
internal import NativeGateway
internal import SQLiteCatalog
internal import StorageInterface
internal import Synchronization

extension ServerProbe {
    /// What the server knows of its own health.
    init(folder: DataFolder, service: CacheService, watch: VolumeWatch, scrub: ScrubJob, metrics: Metrics) {
        Self.declareDiskMetrics(metrics)
        metrics.declare("tarn_stored_bytes", .gauge, "Stored bytes of all blobs.")
        metrics.declare("tarn_raw_bytes", .gauge, "Raw bytes of all blobs.")
        metrics.declare("tarn_logical_bytes", .gauge, "Bytes of all entries' tars, as if each were stored alone.")
        metrics.declare("tarn_database_bytes", .gauge, "Bytes of the database's files.")
        metrics.declare("tarn_budget_bytes", .gauge, "The budget of the data folder, if there is one.")
        metrics.declare("tarn_entries", .gauge, "Entries by state.")
        metrics.declare("tarn_blobs", .gauge, "Blobs that are stored.")
        metrics.declare("tarn_removed_entries_total", .counter, "Entries that are gone, by reason.")
        metrics.declare("tarn_build_info", .gauge, "Versions.")
        let sqliteVersion = SQLiteCatalog.engineVersion
        metrics.set("tarn_build_info", 1, [("version", TarnServer.version), ("sqlite", sqliteVersion)])
        self.init(
            version: TarnServer.version,
            sqliteVersion: sqliteVersion,
            problems: {
                var problems: [String] = []
                do {
                    _ = try await service.entries(EntryFilter(limit: 1))
                } catch {
                    problems.append("the catalog cannot be read")
                }
                if await !watch.takesWrites() {
                    problems.append("the data folder cannot be written, or not within 3 seconds")
                }
                if service.isShortOfRoom { problems.append("the disk of the data folder is full; saves are refused") }
                return problems
            },
            updateMetrics: {
                metrics.set("tarn_database_bytes", Double(folder.databaseBytes))
                if let budget = service.maximumBytes { metrics.set("tarn_budget_bytes", Double(budget)) }
                Self.update(metrics, service.figures, watch, scrub)
                metrics.set("tarn_unreadable_blobs", Double(service.unreadableBlobs))
                // A disk that hangs must not take the metrics with it.
                guard let statistics = try? await within(.seconds(3), { try await service.statistics(of: nil) }) else {
                    return
                }
                metrics.set("tarn_stored_bytes", Double(statistics.storedBytes))
                metrics.set("tarn_raw_bytes", Double(statistics.rawBytes))
                metrics.set("tarn_logical_bytes", Double(statistics.logicalBytes))
                metrics.set("tarn_blobs", Double(statistics.blobs))
                metrics.set("tarn_entries", Double(statistics.entries), [("state", "visible")])
                metrics.set("tarn_entries", Double(statistics.pinnedEntries), [("state", "pinned")])
                metrics.set("tarn_entries", Double(statistics.removedEntries), [("state", "removed")])
                for reason in Removal.Reason.allCases {
                    let count = statistics.removals[reason] ?? 0
                    metrics.set("tarn_removed_entries_total", Double(count), [("reason", reason.rawValue)])
                }
            }
        )
    }

    private static func declareDiskMetrics(_ metrics: Metrics) {
        metrics.declare("tarn_quarantined_blobs_total", .counter, "Damaged blobs taken out of use, by what found them.")
        metrics.declare("tarn_unreadable_blobs", .gauge, "Blobs that the disk could not give when last asked.")
        metrics.declare("tarn_verified_bytes_total", .counter, "Stored bytes compared with digests at a first read.")
        metrics.declare("tarn_scrubbed_bytes_total", .counter, "Stored bytes compared with digests by the scrub.")
        metrics.declare(
            "tarn_scrub_last_pass_seconds",
            .gauge,
            "When the last whole pass of the scrub ended (Unix time)."
        )
        metrics.declare("tarn_disk_failures_total", .counter, "Writes that failed: disk full, or another error.")
        metrics.declare("tarn_disk_suspect", .gauge, "Whether a write failed and no probe has succeeded since.")
        metrics.declare("tarn_disk_free_bytes", .gauge, "Bytes of the data folder's disk that can be written.")
    }

    private static func update(
        _ metrics: Metrics,
        _ figures: borrowing IntegrityFigures,
        _ watch: VolumeWatch,
        _ scrub: ScrubJob
    ) {
        let damaged = figures.damagedBlobs
        for found in Discovery.allCases {
            metrics.set("tarn_quarantined_blobs_total", Double(damaged[found] ?? 0), [("found", found.rawValue)])
        }
        metrics.set("tarn_verified_bytes_total", Double(figures.verifiedBytes.load(ordering: .relaxed)))
        metrics.set("tarn_scrubbed_bytes_total", Double(figures.scrubbedBytes.load(ordering: .relaxed)))
        if let finished = scrub.finishedAt { metrics.set("tarn_scrub_last_pass_seconds", finished) }
        let disk = watch.figures
        metrics.set("tarn_disk_failures_total", Double(disk.full), [("kind", "full")])
        metrics.set("tarn_disk_failures_total", Double(disk.failed), [("kind", "error")])
        metrics.set("tarn_disk_suspect", disk.isSuspect ? 1 : 0)
        if let free = watch.freeBytes { metrics.set("tarn_disk_free_bytes", Double(free)) }
    }
}

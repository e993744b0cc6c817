internal import CacheModel
internal import CacheService
internal import GatewayKit
internal import NIOPosix
internal import NativeGateway
internal import SQLiteCatalog
internal import StorageInterface

extension ServerProbe {
    /// What the server knows of its own health.
    init(folder: DataFolder, service: CacheService, threads: NIOThreadPool, metrics: Metrics) {
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
                do {
                    try await threads.runIfActive { try folder.requireWritable() }
                } catch {
                    problems.append("the data folder cannot be written")
                }
                return problems
            },
            updateMetrics: {
                metrics.set("tarn_database_bytes", Double(folder.databaseBytes))
                if let budget = service.maximumBytes { metrics.set("tarn_budget_bytes", Double(budget)) }
                guard let statistics = try? await service.statistics(of: nil) else { return }
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
}

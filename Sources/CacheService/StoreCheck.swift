internal import CacheModel
internal import LayerKernels
internal import StorageInterface

/// What a check of the store found.
package struct CheckReport: Hashable, Sendable {
    /// Blobs that were looked at.
    package var checkedBlobs = 0
    /// Their stored bytes.
    package var checkedBytes = 0
    /// One line for each problem.
    package var problems: [String] = []
    /// Problems that were repaired.
    package var repaired = 0

    package init() {}
}

extension CacheService {
    /// Compares rows with bytes, both ways, and the catalog's sums with its rows.
    ///
    /// Runs beside everything else: what a save or the collector changes meanwhile is looked at again before it is
    /// called a problem.
    ///
    /// - Parameters:
    ///   - readData: Whether to read every blob and compare it with its digest.
    ///   - repair: Whether to mark damaged blobs as missing and to delete bytes without a row.
    ///   - actor: Who asked for it, for the audit log.
    /// - Returns: What was found.
    /// - Throws: What the catalog and the blob store throw.
    package func checkStore(
        readData: Bool,
        repair: Bool,
        actor: String = AuditEvent.server
    ) async throws -> CheckReport {
        var report = CheckReport()
        report.problems += try await self.catalog.check()
        try await self.checkRows(&report, readData: readData, repair: repair, actor: actor)
        try await self.checkFiles(&report, repair: repair)
        if repair {
            let detail = "\(report.problems.count) problems, \(report.repaired) repaired"
            try await self.note(.repaired, by: actor, detail: detail)
        }
        return report
    }

    private func checkRows(
        _ report: inout CheckReport,
        readData: Bool,
        repair: Bool,
        actor: String
    ) async throws {
        var cursor: Digest?
        while true {
            let records = try await self.catalog.allBlobs(after: cursor, limit: 1_000)
            guard let last = records.last else { return }
            cursor = last.digest
            for record in records {
                report.checkedBlobs += 1
                report.checkedBytes += record.storedSize
                guard let problem = try await self.problem(with: record, readData: readData) else { continue }
                guard try await self.catalog.isRecorded(record.digest) else { continue }
                report.problems.append("blob \(record.digest) \(problem)")
                if repair {
                    _ = try await self.catalog.markMissing([record.digest], at: self.now(), actor: actor)
                    self.visibility.tick()
                    report.repaired += 1
                }
            }
        }
    }

    private func problem(with record: BlobRecord, readData: Bool) async throws -> String? {
        let stored: StoredBlob
        do {
            stored = try await self.blobs.open(record.digest)
        } catch let error as CacheError where error.code == .notFound {
            return "has a row but no bytes"
        }
        guard stored.storedSize == record.storedSize, stored.encoding == record.encoding else {
            return "has \(stored.storedSize) bytes on the disk, its row says \(record.storedSize)"
        }
        guard readData else { return nil }
        return try await self.offload {
            do {
                let bytes = try stored.rawBytes(size: record.size)
                return SHA256.digest(of: bytes) == record.digest ? nil : "has other bytes than its name says"
            } catch {
                return "cannot be read: \(error)"
            }
        }
    }

    /// Finds bytes that no row knows.
    ///
    /// An upload in flight writes its bytes first, so uploads are asked for before and after.
    private func checkFiles(_ report: inout CheckReport, repair: Bool) async throws {
        var cursor: Digest?
        while true {
            let files = try await self.blobs.list(after: cursor, limit: 1_000)
            guard let last = files.last else { return }
            cursor = last.digest
            for file in files where !self.uploads.contains(file.digest) {
                guard try await !self.catalog.isRecorded(file.digest), !self.uploads.contains(file.digest) else {
                    continue
                }
                guard try await self.blobs.missing(from: [file.digest]).isEmpty else { continue }
                report.problems.append("blob \(file.digest) has \(file.storedSize) bytes but no row")
                if repair {
                    try await self.blobs.delete([file.digest])
                    self.visibility.tick()
                    report.repaired += 1
                }
            }
        }
    }
}

extension Catalog {
    /// Whether there is a row for the blob now.
    func isRecorded(_ digest: Digest) async throws -> Bool {
        try await self.allBlobs(after: digest.predecessor, limit: 1).first?.digest == digest
    }
}

extension Digest {
    /// The digest just before this one, or `nil` for the very first.
    var predecessor: Digest? {
        var bytes = self.bytes
        for index in bytes.indices.reversed() {
            if bytes[index] > 0 {
                bytes[index] -= 1
                return bytes.withUnsafeBytes { Digest(loading: $0) }
            }
            bytes[index] = 0xff
        }
        return nil
    }
}

package import CacheModel
internal import StorageInterface

/// What a check of the store found.
package struct CheckReport: Hashable, Sendable {
    /// Blobs that were looked at.
    package var checkedBlobs = 0
    /// Their stored bytes.
    package var checkedBytes = 0
    /// One line for each problem, which starts with the invariant that is broken.
    package var problems: [String] = []
    /// Problems that were repaired.
    package var repaired = 0

    package init() {}
}

/// One of several parts of all blobs, by their digests, so that a long check can be spread over some nights.
package struct BlobSubset: Hashable, Sendable {
    /// All of them.
    package static let all = Self(part: 1, parts: 1)

    /// Which part, from 1 on.
    private var part: Int
    private var parts: Int

    private init(part: Int, parts: Int) { (self.part, self.parts) = (part, parts) }

    /// Reads `3/7`: the third of seven parts.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest`.
    package init(parsing text: String) throws(CacheError) {
        let numbers = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        guard numbers.count == 2, (1...10_000).contains(numbers[1]), (1...numbers[1]).contains(numbers[0]) else {
            throw CacheError(.invalidRequest, "a part of the blobs is written like 3/7, not '\(text)'")
        }
        self.init(part: numbers[0], parts: numbers[1])
    }

    func contains(_ digest: Digest) -> Bool {
        digest.bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) } % self.parts == self.part - 1
    }
}

extension CacheService {
    /// Compares rows with bytes, both ways, and the catalog's sums with its rows.
    ///
    /// Runs beside everything else: what a save or the collector changes meanwhile is looked at again before it is
    /// called a problem.
    ///
    /// - Parameters:
    ///   - readData: Whether to read every blob and compare it with its digest, and every recipe with its entry.
    ///   - repair: Whether to mark damaged blobs as missing and to delete bytes without a row.
    ///   - subset: Which blobs to look at; rows and sums are always looked at.
    ///   - actor: Who asked for it, for the audit log.
    /// - Returns: What was found.
    /// - Throws: What the catalog and the blob store throw.
    package func checkStore(
        readData: Bool,
        repair: Bool,
        subset: BlobSubset = .all,
        actor: String = AuditEvent.server
    ) async throws -> CheckReport {
        var report = CheckReport()
        report.problems += try await self.catalog.check()
        try await self.checkRows(&report, readData: readData, repair: repair, subset, actor: actor)
        try await self.checkFiles(&report, repair: repair, subset)
        if readData { try await self.checkEntries(&report) }
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
        _ subset: BlobSubset,
        actor: String
    ) async throws {
        var cursor: Digest?
        while true {
            let records = try await self.catalog.allBlobs(after: cursor, limit: 1_000)
            guard let last = records.last else { return }
            cursor = last.digest
            for record in records where subset.contains(record.digest) {
                report.checkedBlobs += 1
                report.checkedBytes += record.storedSize
                guard let problem = try await self.problem(with: record, readData: readData) else { continue }
                guard try await self.catalog.isRecorded(record.digest) else { continue }
                report.problems.append(problem)
                if repair {
                    try await self.withdraw(record, found: .check, actor: actor)
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
            return "I1: blob \(record.digest) has a row but no bytes"
        } catch let error as CacheError where error.code == .unreadable {
            return readData ? "I2: blob \(record.digest) cannot be read: \(error)" : nil
        }
        guard stored.storedSize == record.storedSize, stored.encoding == record.encoding else {
            return "I7: blob \(record.digest) has \(stored.storedSize) bytes on the disk, its row says "
                + "\(record.storedSize)"
        }
        guard readData else { return nil }
        return try await self.offload {
            do {
                guard try stored.soundBytes(of: record) == nil else { return nil }
                return "I2: blob \(record.digest) has other bytes than its name says"
            } catch {
                return "I2: blob \(record.digest) cannot be read: \(error)"
            }
        }
    }

    /// Finds bytes that no row knows.
    ///
    /// An upload in flight writes its bytes first, so uploads are asked for before and after.
    private func checkFiles(_ report: inout CheckReport, repair: Bool, _ subset: BlobSubset) async throws {
        var cursor: Digest?
        while true {
            let files = try await self.blobs.list(after: cursor, limit: 1_000)
            guard let last = files.last else { return }
            cursor = last.digest
            for file in files where subset.contains(file.digest) && !self.uploads.contains(file.digest) {
                guard try await !self.catalog.isRecorded(file.digest), !self.uploads.contains(file.digest) else {
                    continue
                }
                guard try await self.blobs.missing(from: [file.digest]).isEmpty else { continue }
                report.problems.append("I7: blob \(file.digest) has \(file.storedSize) bytes but no row")
                if repair {
                    try await self.blobs.delete([file.digest])
                    self.visibility.tick()
                    report.repaired += 1
                }
            }
        }
    }

    /// Compares what each visible entry says of its layers with their recipes: number of chunks, sizes, tree digest.
    private func checkEntries(_ report: inout CheckReport) async throws {
        var filter = EntryFilter(limit: 500)
        var sound: Set<String> = []
        repeat {
            let page = try await self.catalog.entries(filter)
            filter.cursor = page.cursor
            for entry in page.entries {
                for layer in entry.layers where !sound.contains("\(entry.project) \(layer.recipe) \(layer.stamps)") {
                    do {
                        // A session that nothing is pinned for: it sees what the project has.
                        let onlooker = SaveSession(
                            id: "check",
                            vantage: Vantage(entry.project, scopes: nil),
                            expiresAt: self.now()
                        )
                        _ = try await self.check([layer], for: onlooker)
                        sound.insert("\(entry.project) \(layer.recipe) \(layer.stamps)")
                    } catch let error as CacheError where error.code != .unavailable {
                        // Removed, collected or just found damaged: then it is no visible entry any more.
                        guard try await self.catalog.entry(entry.id) != nil else { break }
                        report.problems.append("I1: entry '\(entry.key)' of \(entry.project): \(error)")
                    }
                }
            }
        } while filter.cursor != nil
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

internal import CacheModel
internal import LayerFormat
internal import LayerKernels
internal import NIOCore
internal import StorageInterface

/// What a rebuild of the catalog brought back.
package struct RebuildReport: Hashable, Sendable {
    /// Something that was not brought back.
    package struct LeftOut: Hashable, Sendable {
        /// What it is: `entry 'k' of acme/shop (shared)`, `blob 3f…`.
        package var name: String
        /// Why, to follow "left out:".
        package var reason: String
    }

    /// Blobs that were read, and are what their names say.
    package var blobs = 0
    /// Their stored bytes.
    package var bytes = 0
    /// Entries that are visible again.
    package var restored = 0
    /// Entries whose key a later entry has, as after `--replace`; they are removed again.
    package var replaced = 0
    /// Entries whose time to live is over.
    package var expired = 0
    /// Damaged blobs, and entries that are not complete or were not written by this server.
    package var leftOut: [LeftOut] = []
    /// Blobs that nothing refers to now.
    package var unusedBlobs = 0
    /// Their stored bytes.
    package var unusedBytes = 0

    package init() {}
}

/// An entry record among the blobs.
private struct FoundRecord {
    var digest: Digest
    var createdAt: Timestamp
}

/// What the blobs alone tell.
private struct Survey {
    var records: [Digest: BlobRecord] = [:]
    var entries: [FoundRecord] = []
    var used: Set<Digest> = []
}

extension CacheService {
    /// Fills an empty catalog from the blobs alone.
    ///
    /// Reads every blob and compares it with its digest. An entry comes back only if its record has this server's
    /// seal and everything it refers to is there and fits, as at a commit. Entries come back in the order in which
    /// they were made. No blob is deleted or changed.
    ///
    /// - Parameter acceptsUnsealed: Whether to believe records without the seal. A job that could save anything in
    ///   any project could have written them.
    /// - Returns: What came back, and what did not and why.
    /// - Throws: What the catalog throws; and the blob store, if it cannot be listed.
    package func rebuildCatalog(acceptsUnsealed: Bool) async throws -> RebuildReport {
        var report = RebuildReport()
        var survey = try await self.survey(acceptsUnsealed: acceptsUnsealed, &report)
        survey.entries.sort { ($0.createdAt, $0.digest) < ($1.createdAt, $1.digest) }
        var keys: Set<[String]> = []
        for found in survey.entries {
            guard let record = survey.records[found.digest] else { continue }
            let entry = try EntryRecord(decoding: try await self.read(record, limit: Recipe.maximumBlobSize))
            if let end = entry.expiresAt, end <= self.now() {
                report.expired += 1
                continue
            }
            do {
                try await self.bringBack(entry, record, &survey)
            } catch  where Self.concernsOneEntry(error) {
                report.leftOut.append(RebuildReport.LeftOut(name: entry.name, reason: "\(error)"))
                continue
            }
            let isFirst = keys.insert([entry.project.description, entry.scope.text, entry.key.text]).inserted
            if isFirst { report.restored += 1 } else { report.replaced += 1 }
        }
        for record in survey.records.values where !survey.used.contains(record.digest) {
            report.unusedBlobs += 1
            report.unusedBytes += record.storedSize
        }
        return report
    }

    /// Whether an error means that an entry is not complete, rather than that the rebuild cannot go on.
    private static func concernsOneEntry(_ error: any Error) -> Bool {
        guard let error = error as? CacheError else { return error is LayerFormatError }
        return [.invalidRequest, .corrupt, .notFound].contains(error.code)
    }

    private func bringBack(_ entry: EntryRecord, _ record: BlobRecord, _ survey: inout Survey) async throws {
        guard !entry.layers.isEmpty else { throw LayerFormatError("it has no layer") }
        var blobs = [record]
        var layers: [CommittedLayer] = []
        for layer in entry.layers {
            let needed = try await self.requireComplete(layer, survey)
            blobs += needed.blobs
            layers.append(needed.layer)
        }
        let session = SaveSession(
            id: "rebuild-index",
            vantage: Vantage(entry.project, scopes: nil),
            isUnprotected: entry.scope.isUnprotected,
            expiresAt: self.now() + .seconds(3_600)
        )
        try await self.catalog.recordStored(blobs, for: session)
        _ = try await self.catalog.commit(
            Commit(
                project: entry.project,
                scope: entry.scope,
                key: entry.key,
                layers: layers,
                provenance: entry.provenance,
                createdAt: entry.createdAt,
                expiresAt: entry.expiresAt,
                onConflict: .replace,
                record: record.digest,
                session: session
            )
        )
        survey.used.formUnion(blobs.map(\.digest))
    }

    /// Checks a layer as a commit does, against the blobs instead of rows.
    private func requireComplete(
        _ layer: Layer,
        _ survey: Survey
    ) async throws -> (layer: CommittedLayer, blobs: [BlobRecord]) {
        func find(_ digest: Digest, _ what: String) throws -> BlobRecord {
            guard let record = survey.records[digest] else {
                throw LayerFormatError("\(what) \(digest) of layer '\(layer.path)' is missing or damaged")
            }
            return record
        }
        let limit = Recipe.maximumBlobSize
        var blobs = [try find(layer.recipe, "the recipe"), try find(layer.stamps, "the stamps blob")]
        let recipeBytes = try await self.read(blobs[0], limit: limit)
        let stampsBytes = try await self.read(blobs[1], limit: limit)
        let recipe = try await self.offload { try Recipe(decoding: recipeBytes) }
        let contents = try find(recipe.contentDigests, "the content digests' blob")
        let contentBytes = try await self.read(contents, limit: limit)
        try await self.offload {
            _ = try Stamps(decoding: stampsBytes, for: recipe.members)
            try layer.requireContent(
                of: recipe,
                try ContentDigests.decode(contentBytes, count: recipe.fileCount)
            )
        }
        blobs.append(contents)
        for chunk in recipe.chunks {
            let record = try find(chunk.digest, "chunk")
            guard record.size == chunk.size else {
                throw LayerFormatError("chunk \(chunk.digest) has \(record.size) bytes, its recipe says \(chunk.size)")
            }
            blobs.append(record)
        }
        return (CommittedLayer(layer: layer, blobs: recipe.blobs), blobs)
    }
}

extension CacheService {
    /// The entry that has the key of a save already.
    func holder(of request: SaveRequest) async throws -> Entry? {
        let pattern = KeyPattern(request.key, match: .exact)
        let query = KeyQuery([pattern], in: request.project, scopes: [request.scope])
        return try await self.catalog.resolve(query, at: self.now())?.entry
    }
}

extension CacheService {
    /// How many blobs are read at once.
    private static var readers: Int { 8 }

    /// Reads all blobs and finds the entry records among them.
    private func survey(acceptsUnsealed: Bool, _ report: inout RebuildReport) async throws -> Survey {
        var survey = Survey()
        var cursor: Digest?
        while true {
            let page = try await self.blobs.list(after: cursor, limit: 1_000)
            guard let last = page.last else { return survey }
            cursor = last.digest
            let findings = await withTaskGroup(of: [SurveyedBlob].self) { group in
                for first in 0..<Self.readers {
                    group.addTask {
                        var findings: [SurveyedBlob] = []
                        for index in stride(from: first, to: page.count, by: Self.readers) {
                            findings.append(await self.look(at: page[index]))
                        }
                        return findings
                    }
                }
                return await group.reduce(into: []) { $0 += $1 }
            }
            for finding in findings.sorted(by: { $0.digest < $1.digest }) {
                survey.note(finding, acceptsUnsealed: acceptsUnsealed, &report)
            }
        }
    }

    private func look(at info: StoredBlobInfo) async -> SurveyedBlob {
        do {
            let stored = try await self.blobs.open(info.digest)
            let key = self.configuration.recordKey
            return try await self.offload {
                let bytes = try stored.rawBytes()
                guard SHA256.digest(of: bytes) == info.digest else {
                    return SurveyedBlob(digest: info.digest, problem: "it has other bytes than its name says")
                }
                var finding = SurveyedBlob(digest: info.digest)
                finding.record = BlobRecord(
                    digest: info.digest,
                    encoding: stored.encoding,
                    size: bytes.count,
                    storedSize: stored.storedSize
                )
                // Every message of a known format begins with these two bytes: field 1 is 1.
                if bytes.starts(with: [1 << 3, 1]), let entry = try? EntryRecord(decoding: bytes) {
                    finding.entry = (entry.name, entry.createdAt, EntryRecord.isSealed(bytes, with: key))
                }
                return finding
            }
        } catch {
            return SurveyedBlob(digest: info.digest, problem: "it cannot be read: \(error)")
        }
    }
}

/// What one blob turned out to be.
private struct SurveyedBlob: Sendable {
    var digest: Digest
    var problem: String?
    var record: BlobRecord?
    var entry: (name: String, createdAt: Timestamp, isSealed: Bool)?

    init(digest: Digest, problem: String? = nil) {
        self.digest = digest
        self.problem = problem
    }
}

extension Survey {
    mutating func note(_ finding: SurveyedBlob, acceptsUnsealed: Bool, _ report: inout RebuildReport) {
        guard let record = finding.record else {
            let reason = finding.problem ?? "it cannot be read"
            report.leftOut.append(RebuildReport.LeftOut(name: "blob \(finding.digest)", reason: reason))
            return
        }
        report.blobs += 1
        report.bytes += record.storedSize
        self.records[record.digest] = record
        guard let entry = finding.entry else { return }
        if entry.isSealed || acceptsUnsealed {
            self.entries.append(FoundRecord(digest: record.digest, createdAt: entry.createdAt))
        } else {
            report.leftOut.append(
                RebuildReport.LeftOut(
                    name: entry.name,
                    reason: "its record \(record.digest) does not have this server's seal; a job may have forged it"
                )
            )
        }
    }
}

extension EntryRecord {
    fileprivate var name: String { "entry '\(self.key)' of \(self.project) (\(self.scope.text))" }
}

extension StoredBlob {
    /// Reads and decodes the raw bytes, whose number only the frame tells; blocks on the disk, and computes.
    fileprivate func rawBytes() throws -> [UInt8] {
        let buffer = try self.storedBytes()
        guard self.encoding == .zstd else { return Array(buffer.readableBytesView) }
        let size = buffer.withUnsafeReadableBytes { FrameCodec.contentSize(of: $0) }
        guard let size, size <= Recipe.maximumBlobSize else {
            throw LayerFormatError("its zstd frame is damaged")
        }
        return try self.rawBytes(size: size)
    }
}

package import CacheModel
internal import LayerFormat
internal import LayerKernels
internal import NIOCore
internal import Signatures
package import StorageInterface

/// What a client asks to be saved.
package struct SaveRequest: Sendable {
    package var project: ProjectName
    package var scope: Scope
    package var key: CacheKey
    package var layers: [Layer]
    package var provenance: Provenance
    package var timeToLive: Duration?
    package var onConflict: Commit.Conflict
    package var session: String
    /// The scopes whose entries may be shared with, or `nil` for all of the project.
    package var scopes: [Scope]?
    /// Whose session it is; see ``Saver/owner``.
    package var owner: String?
    /// The client's signature of what is to be saved, if it gave one.
    package var signature: EntrySignature?

    package init(
        project: ProjectName,
        scope: Scope,
        key: CacheKey,
        layers: [Layer],
        provenance: Provenance,
        timeToLive: Duration?,
        onConflict: Commit.Conflict,
        session: String,
        scopes: [Scope]?,
        owner: String?,
        signature: EntrySignature? = nil
    ) {
        self.project = project
        self.scope = scope
        self.key = key
        self.layers = layers
        self.provenance = provenance
        self.timeToLive = timeToLive
        self.onConflict = onConflict
        self.session = session
        self.signature = signature
        self.scopes = scopes
        self.owner = owner
    }

    /// Who saves.
    var saver: Saver {
        Saver(
            vantage: Vantage(self.project, scopes: self.scopes),
            scope: self.scope,
            session: self.session,
            owner: self.owner
        )
    }
}

/// What a save did.
package struct SaveOutcome: Sendable {
    /// The entry that has the key now.
    package var entry: Entry
    /// Whether this save put it there.
    package var isNew: Bool
    /// Whether the entry has the content that was to be saved.
    package var isSameContent: Bool
    /// The server's word about it, if this save put the entry there.
    package var receipt: Receipt?
}

extension CacheService {
    /// For each tree the layer that has it and that the saver may be given; pinned for the session.
    package func knownLayers(_ trees: [Digest], for saver: Saver) async throws -> [Layer?] {
        let session = try self.session(of: saver)
        var layers = try await self.writing {
            var layers: [Layer?] = []
            for tree in trees { layers.append(try await self.catalog.knownLayer(tree, for: session)) }
            return layers
        }
        for index in layers.indices {
            if let layer = layers[index], try await !self.canRely(on: layer, for: session) { layers[index] = nil }
        }
        return layers
    }

    /// The blobs that the client has to upload; the others are pinned for the session.
    package func missing(_ digests: [Digest], for saver: Saver) async throws -> [Digest] {
        let session = try self.session(of: saver)
        let unreadable = try await self.withdrawDamaged(among: digests, for: session)
        let missing = try await self.writing { try await self.catalog.pin(digests, for: session) }
        return unreadable.isEmpty ? missing : digests.filter(unreadable.union(missing).contains)
    }

    /// Stores blobs: room is made first, then the bytes are durable, then their rows are there.
    ///
    /// - Throws: ``CacheModel/CacheError``: `digestMismatch` if bytes are not what they claim, `quotaExceeded` if
    ///   there is no room and none can be made.
    package func store(_ blobs: [NewBlob], for saver: Saver) async throws {
        guard !blobs.isEmpty else { return }
        let session = try self.session(of: saver)
        let framed = try await self.prepare(blobs)
        let size = framed.reduce(0) { $0 + $1.storedSize }
        let reservation = try await self.makeRoom(for: size, isUnprotected: session.isUnprotected)
        try await self.writing {
            defer { self.budget.release(reservation) }
            try await self.write(framed, for: session)
        }
    }

    private func write(_ framed: [NewBlob], for session: SaveSession) async throws {
        let digests = framed.map(\.digest)
        self.uploads.begin(digests)
        defer { self.uploads.end(digests) }
        try await self.gate.with(Set(digests)) {
            let kept = try await self.keepSound(framed)
            try await self.blobs.put(framed)
            self.verified.forget(digests)
            try await self.catalog.recordStored(framed.map { kept[$0.digest] ?? $0.record }, for: session)
            // A blob that was condemned may have been deleted after `put` found it and before its row came back to
            // life. From here on nothing can delete it, so one more look is enough.
            let deleted = Set(try await self.blobs.missing(from: digests))
            try await self.blobs.put(framed.filter { deleted.contains($0.digest) })
        }
    }

    /// Ends a save that will not be committed.
    package func endSession(of saver: Saver) async throws {
        defer { self.visibility.tick() }
        let session = try self.session(of: saver)
        try await self.removing { try await self.catalog.end(session) }
    }

    /// Makes an entry visible, after everything it refers to was checked.
    ///
    /// - Parameters:
    ///   - request: What to save.
    ///   - actor: Who saves, for the audit log.
    /// - Returns: The entry that has the key now.
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` if the layers are not what they claim to be.
    package func save(_ request: SaveRequest, actor: String) async throws -> SaveOutcome {
        let session = try self.session(of: request.saver)
        try request.requireFittingSignature()
        let layers = try await self.check(request.layers, for: session)
        if request.onConflict == .keep, let entry = try await self.holder(of: request) {
            // No record is stored: a rebuild would take it for a later save of the key.
            try await self.catalog.end(session)
            return try self.conclude(.exists(entry), request)
        }
        try await self.makeRoomForEntry(in: request.project, isUnprotected: session.isUnprotected)
        let now = self.now()
        let expiresAt = try self.expiry(of: request.timeToLive, at: now)
        let record = EntryRecord(
            project: request.project,
            scope: request.scope,
            key: request.key,
            createdAt: now,
            expiresAt: expiresAt,
            layers: request.layers,
            provenance: request.provenance,
            signature: request.signature
        )
        let recordBytes = try record.sealed(with: self.configuration.recordKey)
        let recordDigest = SHA256.digest(of: recordBytes)
        try await self.store([.raw(recordBytes)], for: request.saver)
        let commit = Commit(
            project: request.project,
            scope: request.scope,
            key: request.key,
            layers: layers,
            provenance: request.provenance,
            createdAt: now,
            expiresAt: expiresAt,
            onConflict: request.onConflict,
            record: recordDigest,
            session: session,
            signature: request.signature
        )
        let outcome = try await self.writing { try await self.catalog.commit(commit, actor: actor) }
        // The session's pins have ended, and an entry may have been replaced.
        self.visibility.tick()
        return try self.conclude(outcome, request)
    }

    private func conclude(_ outcome: CommitOutcome, _ request: SaveRequest) throws -> SaveOutcome {
        let family = Traffic.Family(project: request.project, name: request.provenance.template)
        switch outcome {
        case .committed(let entry, let row):
            self.traffic.note { $0.families[family, default: .init()].saves += 1 }
            let receipt = try Receipt(of: row, signedWith: self.configuration.serverKey)
            return SaveOutcome(entry: entry, isNew: true, isSameContent: true, receipt: receipt)
        case .exists(let entry):
            return SaveOutcome(entry: entry, isNew: false, isSameContent: entry.hasContent(of: request.layers))
        }
    }

    /// Adds bytes that were received for a key family to the figures.
    package func noteReceived(_ bytes: Int, for family: Traffic.Family, wasKnown: Bool = false) {
        self.traffic.note { traffic in
            traffic.families[family, default: .init()].bytesReceived += bytes
            if wasKnown { traffic.families[family, default: .init()].knownSaves += 1 }
        }
    }

    private func expiry(of requested: Duration?, at now: Timestamp) throws -> Timestamp? {
        guard let life = requested ?? self.configuration.defaultTimeToLive else { return nil }
        guard life > .zero else { throw CacheError(.invalidRequest, "a time to live is longer than nothing") }
        return now + min(life, self.configuration.maximumTimeToLive ?? life)
    }

    /// Compares blobs with their digests, and makes frames of those that are raw.
    private func prepare(_ blobs: [NewBlob]) async throws -> [NewBlob] {
        let level = self.configuration.compressionLevel
        return try await self.offload {
            var verifier = BlobVerifier()
            var framer = BlobFramer(level: level)
            var prepared = blobs
            for index in prepared.indices {
                try verifier.verify(&prepared[index])
                try framer.frame(&prepared[index])
            }
            return prepared
        }
    }
}

extension SaveRequest {
    /// Refuses a signature that no client could ever find right.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest`.
    fileprivate func requireFittingSignature() throws {
        guard let signature = self.signature else { return }
        guard signature.key.bytes.count == EntrySignature.keyByteCount,
            signature.signature.bytes.count == EntrySignature.signatureByteCount,
            signature.producer.utf8.count <= EntrySignature.maximumProducerLength
        else { throw CacheError(.invalidRequest, "the entry's signature has parts of a wrong length") }
        let content = SignedContent(project: self.project, scope: self.scope, key: self.key, layers: self.layers)
        guard content.isSigned(by: signature) else {
            throw CacheError(
                .invalidRequest,
                "the entry's signature is not about what would be stored: '\(self.key)' in scope '\(self.scope)' of "
                    + "\(self.project); sign with the scope that the server saves to (--scope)"
            )
        }
    }
}

extension NewBlob {
    /// The row of the blob once it is stored in this form.
    var record: BlobRecord {
        BlobRecord(digest: self.digest, encoding: self.encoding, size: self.size, storedSize: self.storedSize)
    }

    /// A blob of raw bytes in memory.
    static func raw(_ bytes: [UInt8]) -> Self {
        Self(
            digest: SHA256.digest(of: bytes),
            encoding: .raw,
            size: bytes.count,
            content: ByteBuffer(bytes: bytes)
        )
    }
}

extension Entry {
    /// Whether the entry's layers have the content of these.
    func hasContent(of layers: [Layer]) -> Bool {
        self.layers.count == layers.count
            && zip(self.layers, layers).allSatisfy {
                $0.path == $1.path && $0.anchor == $1.anchor && $0.treeDigest == $1.treeDigest
            }
    }
}

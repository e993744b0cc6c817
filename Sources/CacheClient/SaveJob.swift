package import CacheModel
package import LayerFiles
internal import LayerFormat
internal import LayerKernels
internal import NIOPosix
internal import NativeAPI
package import Signatures

/// Saves paths under a key: hashes them, and uploads only what the server has never seen.
package struct SaveJob: Sendable {
    /// What is to be saved, and how.
    package struct Request: Sendable {
        /// The key, expanded.
        package var key: CacheKey
        /// How the key was made.
        package var provenance: Provenance
        /// The paths, as a person wrote them.
        package var paths: [String]
        /// The folders that paths are relative to.
        package var places: Places
        /// The scope, if the server shall not choose.
        package var scope: Scope?
        /// When the entry expires, from now.
        package var timeToLive: Duration?
        /// Whether to put the entry in the place of one that has the key.
        package var replaces = false
        /// Whether to save even if there is nothing to save.
        package var allowsEmpty = false
        /// Whether devices, sockets and pipes are left out instead of ending the save.
        package var skipsSpecialFiles = false
        /// Whether to save what seems to hold secrets.
        package var allowsSecrets = false
        /// What the entry is signed with; `nil` to leave it unsigned.
        package var signingKey: SigningKey?
        /// What made the entry, for the signature.
        package var producer = ""
        /// The zstd level.
        package var level = 3
        /// Where stat caches are kept; `nil` to keep none.
        package var cacheDirectory: String?

        package init(key: CacheKey, provenance: Provenance, paths: [String], places: Places) {
            self.key = key
            self.provenance = provenance
            self.paths = paths
            self.places = places
        }
    }

    let client: NativeClient
    let request: Request
    let report: @Sendable (TransferEvent) -> Void
    let session = "save-" + randomName()

    /// Creates a job.
    ///
    /// - Parameters:
    ///   - client: Where to save to.
    ///   - request: What to save.
    ///   - report: Is told what happens, from any thread.
    package init(
        client: NativeClient,
        request: Request,
        report: @escaping @Sendable (TransferEvent) -> Void = { _ in }
    ) {
        self.client = client
        self.request = request
        self.report = report
    }

    /// Saves.
    ///
    /// - Throws: ``CacheModel/CacheError`` or ``LayerFiles/TreeError``; the server has no new entry then.
    package func run() async throws -> SaveResult {
        let clock = ContinuousClock()
        let start = clock.now
        var result = SaveResult(key: self.request.key)
        if !self.request.replaces,
            let existing = try await self.client.entryIfPresent(self.request.key, scope: self.request.scope)
        {
            result.outcome = .exists(existing, isSameContent: nil)
        } else {
            do {
                try await self.save(into: &result)
            } catch {
                // The pins end by themselves; ending them now only gives the room back earlier.
                await cleanUp { try await self.client.endSession(self.session) }
                throw error
            }
        }
        result.duration = clock.now - start
        return result
    }

    private func save(into result: inout SaveResult) async throws {
        var scans: [LayerScan] = []
        for path in self.request.paths {
            guard let scan = try await self.scan(path, into: &result) else { continue }
            scans.append(scan)
        }
        guard scans.contains(where: { !$0.isEmpty }) || (self.request.allowsEmpty && !scans.isEmpty) else {
            result.outcome = .refused("there is nothing to save: none of the paths exists or holds anything")
            return
        }
        if !self.request.allowsSecrets {
            let secrets = try await self.secrets(in: scans)
            guard secrets.isEmpty else {
                result.outcome = .holdsSecrets(secrets)
                return
            }
        }
        let known = try await self.client.knownTrees(scans.map(\.tree.treeDigest), session: self.session)
        var wasKnown = known.allSatisfy { $0 != nil }
        // A signer vouches for its own recipes, never for one that the server says is that of the tree.
        let trusted = self.request.signingKey == nil ? known : scans.map { _ in nil }
        try await self.upload(scans, known: trusted, into: &result)
        let answer: CommitResponse
        do {
            answer = try await self.commit(result.layers)
        } catch let error as CacheError where error.code == .invalidRequest {
            // What the server had a moment ago may be gone, by an operator's hand or a damaged disk: ask for every blob.
            self.report(.warning("the server does not take the entry: \(error); sending what it lacks once more"))
            wasKnown = false
            try await self.upload(scans, known: scans.map { _ in nil }, into: &result)
            answer = try await self.commit(result.layers)
        }
        if self.request.signingKey != nil, answer.outcome == .saved, answer.entry.signature == nil {
            self.report(.warning("the server did not keep the signature; restores that require one will miss"))
        }
        switch answer.outcome {
        case .saved: result.outcome = wasKnown ? .known : .saved
        case .exists: result.outcome = .exists(answer.entry, isSameContent: answer.isSameContent)
        }
    }

    private func secrets(in scans: [LayerScan]) async throws -> [FoundSecret] {
        let places = self.request.places
        return try await offload {
            try scans.flatMap { try SecretScan.findings(in: $0.tree, anchor: places.folder(of: $0.anchor)) }
        }
    }

    private func upload(_ scans: [LayerScan], known: [Layer?], into result: inout SaveResult) async throws {
        result.layers = []
        result.chunksTotal = 0
        for (scan, known) in zip(scans, known) {
            result.layers.append(try await self.upload(scan, known: known, into: &result))
        }
    }

    /// The scope that is signed: the one that was named, or where the server says that it will save.
    private func signedScope() async throws -> Scope {
        if let scope = self.request.scope { return scope }
        do {
            return try await self.client.whoAmI(scope: nil).scope ?? .shared
        } catch let error as CacheError where error.code == .notFound {
            // A server that is older than tokens saves there.
            return .shared
        }
    }

    private func signature(of layers: [Layer]) async throws -> EntrySignature? {
        guard let key = self.request.signingKey else { return nil }
        let content = SignedContent(
            project: self.client.project,
            scope: try await self.signedScope(),
            key: self.request.key,
            layers: layers
        )
        let now = Timestamp.current
        return try content.signed(
            with: key,
            at: now,
            expiresAt: self.request.timeToLive.map { now + $0 },
            producer: self.request.producer
        )
    }

    private func commit(_ layers: [Layer]) async throws -> CommitResponse {
        let commit = CommitRequest(
            session: self.session,
            layers: layers,
            provenance: self.request.provenance,
            scope: self.request.scope,
            ttlSeconds: self.request.timeToLive.map { Int($0.components.seconds) },
            replace: self.request.replaces ? true : nil,
            signature: try await self.signature(of: layers)
        )
        return try await self.client.commit(self.request.key, commit)
    }

    private func scan(_ path: String, into result: inout SaveResult) async throws -> LayerScan? {
        let (anchor, below) = self.request.places.locate(path)
        let folder = self.request.places.folder(of: anchor)
        let absolute = self.request.places.absolutePath(of: below, anchor: anchor)
        self.report(.scanning(absolute))
        let (request, report) = (self.request, self.report)
        do {
            let tree = try await offload {
                try TreeScanner.scan(
                    anchor: folder,
                    path: below,
                    options: .init(skipsSpecialFiles: request.skipsSpecialFiles),
                    remembering: request.cacheDirectory
                )
            }
            for warning in tree.warnings { report(.warning(warning)) }
            result.bytesRead += tree.totalSize
            result.paths.append(absolute)
            return LayerScan(anchor: anchor, path: below, tree: tree)
        } catch let error as TreeError where error.code == .missing {
            self.report(.missingPath(absolute))
            return nil
        }
    }
}

/// A path that is about to be saved.
struct LayerScan: Sendable {
    var anchor: Anchor
    var path: String
    var tree: ScannedTree

    /// Whether there is nothing but directories.
    var isEmpty: Bool { self.tree.members.indices.allSatisfy { self.tree.members.kind(at: $0) == .directory } }
}

/// What a save did.
package struct SaveResult: Sendable {
    /// How a save ended.
    package enum Outcome: Sendable {
        /// The entry is there, and some bytes had to be uploaded.
        case saved
        /// The entry is there, and its content was there already.
        case known
        /// The key was taken; `nil` if nobody compared the content.
        case exists(Entry, isSameContent: Bool?)
        /// There was nothing to save, and why.
        case refused(String)
        /// Nothing was sent, as these files seem to hold secrets.
        case holdsSecrets([FoundSecret])
    }

    package var outcome = Outcome.refused("nothing was done")
    package var key: CacheKey
    package var layers: [Layer] = []
    /// The absolute paths that were saved.
    package var paths: [String] = []
    /// Bytes of the files that were looked at.
    package var bytesRead = 0
    /// Stored bytes of the blobs that were uploaded.
    package var bytesUploaded = 0
    package var chunksUploaded = 0
    package var chunksTotal = 0
    package var duration = Duration.zero

    init(key: CacheKey) { self.key = key }
}

/// What a transfer tells while it runs.
package enum TransferEvent: Sendable {
    /// A path is being walked and hashed.
    case scanning(String)
    /// A path does not exist.
    case missingPath(String)
    /// Something is odd, but no reason to stop.
    case warning(String)
    /// Raw bytes that were dealt with, of how many.
    case progress(done: Int, total: Int)
    /// What a restore found and is about to fetch.
    case found(Entry, isExact: Bool)
}

/// Runs blocking or CPU-heavy work off the cooperative pool.
func offload<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await NIOThreadPool.singleton.runIfActive(work)
}

/// Does what an end needs done, also in a task that was cancelled; what fails there is nobody's concern any more.
func cleanUp(_ work: @escaping @Sendable () async throws -> Void) async { _ = await Task(operation: work).result }

/// Some characters that nobody else makes up at the same time.
func randomName() -> String {
    var generator = SystemRandomNumberGenerator()
    return String(generator.next() as UInt64, radix: 36) + String(generator.next() as UInt64, radix: 36)
}

internal import CacheClient
internal import CacheModel
internal import CommandLineKit
internal import LayerFormat
internal import NIOCore
internal import NativeAPI
internal import Signatures
internal import Synchronization

/// One project of a server, with the questions that `cachectl` asks.
struct Server: Sendable {
    private let client: NativeClient
    private let scope: Scope?
    /// The scope that lists are limited to; `nil` for all.
    private let listedScope: Scope?

    /// Creates a server.
    ///
    /// - Parameters:
    ///   - client: Speaks with it.
    ///   - scope: Where keys are looked for; `nil` where the server says.
    ///   - listedScope: The scope that lists are limited to; `nil` for all.
    init(_ client: NativeClient, scope: Scope?, listedScope: Scope?) {
        self.client = client
        self.scope = scope
        self.listedScope = listedScope
    }

    /// The project.
    var project: ProjectName { self.client.project }

    /// The entry with exactly this key.
    ///
    /// - Throws: `CacheError` with code `notFound`.
    func entry(_ key: CacheKey) async throws -> Entry { try await self.client.entry(key, scope: self.scope) }

    /// What a restore would find; it is not counted as one.
    func resolve(_ pattern: ResolveRequest.Pattern) async throws -> ResolveResponse {
        try await self.client.resolve(ResolveRequest(keys: [pattern], scope: self.scope, isDryRun: true))
    }

    /// What happened to a key.
    func history(of key: CacheKey, limit: Int) async throws -> HistoryResponse {
        try await self.client.history(of: key, limit: limit)
    }

    /// Changes entries of the scope.
    func change(_ request: ChangeRequest) async throws -> ChangeResponse {
        var request = request
        request.scope = self.scope
        return try await self.client.change(request)
    }

    /// Figures of the project.
    func projectStatistics() async throws -> StatisticsResponse { try await self.client.statistics() }

    /// Figures of the whole server.
    func serverStatistics() async throws -> StatisticsResponse { try await self.client.statistics(ofServer: true) }

    /// Makes a token.
    func makeToken(_ wish: MakeTokenRequest) async throws -> MakeTokenResponse {
        try await self.client.makeToken(wish)
    }

    /// All tokens.
    func tokens() async throws -> TokensResponse { try await self.client.tokens() }

    /// Revokes a token.
    func revokeToken(_ id: String) async throws -> TokenDescription { try await self.client.revokeToken(id) }

    /// Who the server takes the sender for.
    func whoAmI() async throws -> WhoAmIResponse { try await self.client.whoAmI(scope: self.scope) }

    /// What the policy says.
    func explain(_ question: ExplainRequest) async throws -> ExplainResponse {
        try await self.client.explain(question)
    }

    /// Runs the collector.
    func collect(_ request: CollectRequest) async throws -> CollectResponse { try await self.client.collect(request) }

    /// A page of the audit log, of one project or of all.
    func audit(ofProject: Bool, after: Int64, limit: Int) async throws -> AuditPage {
        try await self.client.audit(project: ofProject ? self.project : nil, after: after, limit: limit)
    }

    /// The server's word about who saved an entry, or `nil` if it gives none.
    func receipt(of entry: Entry) async throws -> Receipt? {
        try await self.client.receipt(entry.key, scope: entry.scope)
    }

    /// The key that the server signs receipts with, as it says itself.
    func key() async throws -> VerificationKey { VerificationKey(bytes: try await self.client.serverKey()) }

    /// Where the audit log ends.
    func auditHead() async throws -> AuditHead { try await self.client.auditHead() }

    /// Checks the store.
    func check(_ request: CheckRequest) async throws -> CheckResponse { try await self.client.check(request) }
}

/// Which entries to list.
struct EntryQuery: Sendable {
    var prefix: String?
    var includesRemoved = false
    var allProjects = false
    var limit: Int?
}

extension Server {
    private static let pageSize = 500

    /// All entries that a query means, page by page.
    func allEntries(_ query: EntryQuery) async throws -> [Entry] {
        var entries: [Entry] = []
        var cursor: String?
        repeat {
            let page = try await self.client.entries(
                prefix: query.prefix,
                scope: self.listedScope,
                cursor: cursor,
                limit: min(Self.pageSize, (query.limit ?? .max) - entries.count),
                includesRemoved: query.includesRemoved,
                allProjects: query.allProjects
            )
            entries += page.entries
            cursor = page.entries.isEmpty ? nil : page.cursor
        } while cursor != nil && entries.count < query.limit ?? .max
        return Array(entries.prefix(query.limit ?? .max))
    }

    /// The members of a layer and the digests of its files; the files themselves stay where they are.
    func listing(of layer: Layer) async throws -> LayerListing {
        let recipe = try Recipe(decoding: try await self.blob(layer.recipe))
        guard recipe.treeDigest == layer.treeDigest else {
            throw CacheError(.corrupt, "the recipe of layer '\(layer.path)' is that of another tree; run cachectl fsck")
        }
        let files = recipe.members.indices.count { recipe.members.kind(at: $0) == .file }
        let digests = try ContentDigests.decode(try await self.blob(recipe.contentDigests), count: files)
        return LayerListing(members: recipe.members, contentDigests: digests)
    }

    private func blob(_ digest: Digest) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        try await self.client.fetchBlobs([digest], lease: nil) { header, stored in
            bytes = try FetchedBlob.decode(header, Array(stored.readableBytesView))
        }
        return bytes
    }
}

/// Bytes that a server sends as they are.
enum Download: Sendable {
    /// A whole layer as a tar.
    case layer(CacheKey, layer: Int, form: TarForm, isCanonical: Bool)
    /// One file of a layer.
    case file(CacheKey, layer: Int, path: String)
}

/// How a tar becomes an entry.
struct TarImport: Sendable {
    var key: CacheKey
    var path: String?
    var anchor: Anchor
    var timeToLive: String?
    var replaces: Bool
}

extension Server {
    /// Downloads bytes and hands them over piece by piece.
    ///
    /// - Throws: What `body` throws, or `CacheError`.
    func download(_ what: Download, _ body: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void) async throws {
        let failure = LocalFailure()
        let take: (ByteBuffer) async throws -> Void = { piece in
            try failure.keeping { try piece.withUnsafeReadableBytes { try body($0) } }
        }
        do {
            switch what {
            case .layer(let key, let layer, let form, let isCanonical):
                try await self.client.downloadLayer(
                    key,
                    layer: layer,
                    suffix: form.rawValue,
                    isCanonical: isCanonical,
                    scope: self.scope,
                    take
                )
            case .file(let key, let layer, let path):
                try await self.client.downloadFile(key, layer: layer, path: path, scope: self.scope, take)
            }
        } catch {
            throw failure.error ?? error
        }
    }

    /// Makes an entry of a tar.
    func importTar(_ upload: TarImport, from source: SourceFile) async throws -> CommitResponse {
        let failure = LocalFailure()
        do {
            return try await self.client.uploadTar(
                upload.key,
                FilePieces(source: source, failure: failure),
                length: source.size,
                path: upload.path,
                anchor: upload.anchor,
                timeToLive: upload.timeToLive,
                replace: upload.replaces,
                scope: self.scope
            )
        } catch {
            throw failure.error ?? error
        }
    }
}

/// Keeps an error of this side of a transfer, which the network library would take for one of its own.
final class LocalFailure: Sendable {
    private let kept = Mutex<(any Error)?>(nil)

    /// The error, if there was one.
    var error: (any Error)? { self.kept.withLock { $0 } }

    /// Calls `body` and keeps the error that it throws.
    func keeping<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch {
            self.kept.withLock { $0 = error }
            throw error
        }
    }
}

internal import AsyncHTTPClient
package import CacheModel
package import NIOCore
internal import NIOHTTP1
package import NativeAPI

// The endpoints of docs/API.md, one method each.

extension NativeClient {
    /// Finds the entry to restore.
    package func resolve(_ question: ResolveRequest) async throws -> ResolveResponse {
        try await self.ask(ResolveResponse.self, .POST, "\(self.projectPath)/resolve", sending: question)
    }

    /// Says which trees the project has already.
    package func knownTrees(_ trees: [Digest], session: String) async throws -> [Layer?] {
        let question = KnownTreesRequest(session: session, trees: trees)
        let answer = try await self.ask(
            KnownTreesResponse.self,
            .POST,
            "\(self.projectPath)/trees/known",
            sending: question
        )
        guard answer.layers.count == trees.count else {
            throw CacheError(.unavailable, "\(self.server) answers nonsense about known trees")
        }
        return answer.layers
    }

    /// Says which blobs have to be uploaded.
    package func missingBlobs(_ digests: [Digest], session: String) async throws -> Set<Digest> {
        let question = MissingBlobsRequest(session: session, digests: digests)
        let answer = try await self.ask(
            MissingBlobsResponse.self,
            .POST,
            "\(self.projectPath)/blobs/missing",
            sending: question
        )
        return Set(answer.missing)
    }

    /// Uploads blob records.
    ///
    /// A transfer that breaks off goes on with the blobs that have not arrived.
    package func storeBlobs(_ records: ByteBuffer, session: String) async throws {
        var rest = records
        var isFirst = true
        try await self.retrying {
            if !isFirst { rest = try await self.missingRecords(of: rest, session: session) }
            isFirst = false
            guard rest.readableBytes > 0 else { return }
            var request = NativeRequest(
                method: .POST,
                path: "\(self.projectPath)/blobs",
                query: [("session", session)]
            )
            request.contentType = BlobRecordCoding.mediaType
            request.body = .bytes(rest)
            try await self.attempt(request) { _ in }
        }
    }

    /// Those of the records that the server still lacks.
    private func missingRecords(of records: ByteBuffer, session: String) async throws -> ByteBuffer {
        var parser = BlobRecordParser()
        parser.append(records)
        var found: [(header: BlobRecordCoding.Header, bytes: ByteBuffer)] = []
        while let record = try parser.next() { found.append((record.0, record.1)) }
        let missing = try await self.missingBlobs(found.map(\.header.digest), session: session)
        var rest = ByteBuffer()
        for record in found where missing.contains(record.header.digest) {
            rest.writeBytes(record.header.bytes)
            rest.writeImmutableBuffer(record.bytes)
        }
        return rest
    }

    /// Fetches blobs and hands over each as soon as it is there, in the order of `digests`.
    ///
    /// A transfer that breaks off goes on with the blobs that are not there yet.
    package func fetchBlobs(
        _ digests: [Digest],
        lease: String?,
        _ body: (BlobRecordCoding.Header, ByteBuffer) async throws -> Void
    ) async throws {
        var rest = digests[...]
        try await self.retrying {
            var request = NativeRequest(
                method: .POST,
                path: "\(self.projectPath)/blobs/fetch",
                query: [("lease", lease)]
            )
            request.contentType = "application/json"
            request.body = .bytes(ByteBuffer(bytes: try NativeJSON.encode(FetchBlobsRequest(digests: Array(rest)))))
            var parser = BlobRecordParser()
            try await self.attempt(request) { piece in
                parser.append(piece)
                while let (header, bytes) = try parser.next() {
                    guard header.digest == rest.first else {
                        throw CacheError(.unavailable, "\(self.server) sends blob \(header.digest) unasked")
                    }
                    rest = rest.dropFirst()
                    try await body(header, bytes)
                }
            }
            guard rest.isEmpty, parser.isAtBoundary else {
                throw CacheError(.unavailable, "\(self.server) ended a transfer \(rest.count) blobs too early")
            }
        }
    }

    /// Has the server look at blobs again that arrived wrong; tried once, because it only helps the next restore.
    package func reportSuspects(_ digests: [Digest]) async throws {
        var request = NativeRequest(
            method: .POST,
            path: "\(self.projectPath)/suspects",
            contentType: "application/json"
        )
        request.body = .bytes(ByteBuffer(bytes: try NativeJSON.encode(SuspectsRequest(digests: digests))))
        try await self.collect(request, attempts: 1, limit: .seconds(10))
    }

    /// Makes an entry visible.
    package func commit(_ key: CacheKey, _ commit: CommitRequest) async throws -> CommitResponse {
        try await self.ask(CommitResponse.self, .PUT, self.entryPath(key), sending: commit)
    }

    /// One entry.
    package func entry(_ key: CacheKey, scope: Scope?) async throws -> Entry {
        try await self.ask(
            Entry.self,
            NativeRequest(method: .GET, path: self.entryPath(key), query: [("scope", scope?.text)])
        )
    }

    /// One entry, or `nil` if there is none.
    package func entryIfPresent(_ key: CacheKey, scope: Scope?) async throws -> Entry? {
        do {
            return try await self.entry(key, scope: scope)
        } catch let error as CacheError where error.code == .notFound {
            return nil
        }
    }

    /// A page of entries of the project, or of all projects.
    package func entries(
        prefix: String? = nil,
        scope: Scope? = nil,
        cursor: String? = nil,
        limit: Int? = nil,
        includesRemoved: Bool = false,
        allProjects: Bool = false
    ) async throws -> EntriesResponse {
        let request = NativeRequest(
            method: .GET,
            path: allProjects ? "/v1/entries" : "\(self.projectPath)/entries",
            query: [
                ("prefix", prefix), ("scope", scope?.text), ("cursor", cursor), ("limit", limit.map(String.init)),
                ("removed", includesRemoved ? "true" : nil),
            ]
        )
        return try await self.ask(EntriesResponse.self, request)
    }

    /// Removes, brings back, pins or unpins entries.
    package func change(_ change: ChangeRequest) async throws -> ChangeResponse {
        try await self.ask(ChangeResponse.self, .POST, "\(self.projectPath)/changes", sending: change)
    }

    /// What happened to a key.
    package func history(of key: CacheKey, limit: Int? = nil) async throws -> HistoryResponse {
        let query = [("key", key.text as String?), ("limit", limit.map(String.init))].map { (name: $0.0, value: $0.1) }
        return try await self.ask(
            HistoryResponse.self,
            NativeRequest(method: .GET, path: "\(self.projectPath)/history", query: query)
        )
    }

    /// Figures of the project, or of the whole server.
    package func statistics(ofServer: Bool = false) async throws -> StatisticsResponse {
        let path = ofServer ? "/v1/statistics" : "\(self.projectPath)/statistics"
        return try await self.ask(StatisticsResponse.self, NativeRequest(method: .GET, path: path))
    }

    /// Runs the collector.
    package func collect(_ request: CollectRequest) async throws -> CollectResponse {
        try await self.patiently { try await $0.ask(CollectResponse.self, .POST, "/v1/collect", sending: request) }
    }

    /// Checks the store.
    package func check(_ request: CheckRequest) async throws -> CheckResponse {
        try await self.patiently { try await $0.ask(CheckResponse.self, .POST, "/v1/check", sending: request) }
    }

    /// Ends a restore; tried once, because leases also end by themselves.
    package func endLease(_ lease: String) async throws {
        let path = "\(self.projectPath)/leases/\(PathEncoding.encode(lease))"
        try await self.collect(NativeRequest(method: .DELETE, path: path), attempts: 1, limit: .seconds(5))
    }

    /// Ends a save that will not be committed; tried once, because sessions also end by themselves.
    package func endSession(_ session: String) async throws {
        let path = "\(self.projectPath)/sessions/\(PathEncoding.encode(session))"
        try await self.collect(NativeRequest(method: .DELETE, path: path), attempts: 1, limit: .seconds(5))
    }

    /// Downloads a layer as a tar and hands it over piece by piece; not tried again.
    ///
    /// - Parameters:
    ///   - key: The entry.
    ///   - layer: Which of its layers.
    ///   - suffix: `tar.zst`, `tar.gz` or `tar`.
    ///   - isCanonical: Whether to get the bytes as they are stored.
    ///   - scope: The entry's scope.
    ///   - body: Takes the pieces.
    /// - Throws: ``CacheModel/CacheError``, or what `body` throws.
    package func downloadLayer(
        _ key: CacheKey,
        layer: Int,
        suffix: String,
        isCanonical: Bool = false,
        scope: Scope? = nil,
        _ body: (ByteBuffer) async throws -> Void
    ) async throws {
        let request = NativeRequest(
            method: .GET,
            path: "\(self.entryPath(key))/layers/\(layer).\(suffix)",
            query: [("form", isCanonical ? "canonical" : nil), ("scope", scope?.text)]
        )
        try await self.send(request, body)
    }

    /// Downloads one file of a layer and hands it over piece by piece; not tried again.
    package func downloadFile(
        _ key: CacheKey,
        layer: Int,
        path: String,
        scope: Scope? = nil,
        _ body: (ByteBuffer) async throws -> Void
    ) async throws {
        let components = path.split(separator: "/", omittingEmptySubsequences: false).map {
            PathEncoding.encode(String($0))
        }
        let request = NativeRequest(
            method: .GET,
            path: "\(self.entryPath(key))/layers/\(layer)/files/\(components.joined(separator: "/"))",
            query: [("scope", scope?.text)]
        )
        try await self.send(request, body)
    }

    /// Uploads a tar, compressed or not, as an entry; not tried again.
    ///
    /// - Parameters:
    ///   - key: The entry.
    ///   - body: The bytes of the tar.
    ///   - length: Their number, if it is known.
    ///   - path: The layer's path, if it is not the tar's top-level name.
    ///   - anchor: What the path is relative to.
    ///   - timeToLive: Such as `7d`.
    ///   - replace: Whether to put it in the place of an entry that has the key.
    ///   - scope: Where to save.
    /// - Returns: What the save did.
    /// - Throws: ``CacheModel/CacheError``.
    package func uploadTar<Body: AsyncSequence & Sendable>(
        _ key: CacheKey,
        _ body: Body,
        length: Int?,
        path: String? = nil,
        anchor: Anchor = .workdir,
        timeToLive: String? = nil,
        replace: Bool = false,
        scope: Scope? = nil
    ) async throws -> CommitResponse where Body.Element == ByteBuffer {
        var request = NativeRequest(
            method: .PUT,
            path: "\(self.entryPath(key))/layers/0.tar",
            query: [
                ("path", path), ("anchor", anchor.rawValue), ("ttl", timeToLive), ("scope", scope?.text),
                ("replace", replace ? "true" : nil),
            ]
        )
        request.contentType = "application/x-tar"
        request.body = .stream(body, length: length.map { .known(Int64($0)) } ?? .unknown)
        var bytes: [UInt8] = []
        try await self.send(request) { bytes.append(contentsOf: $0.readableBytesView) }
        return try self.read(CommitResponse.self, bytes)
    }

    private func entryPath(_ key: CacheKey) -> String {
        "\(self.projectPath)/entries/\(PathEncoding.encode(key.text))"
    }
}

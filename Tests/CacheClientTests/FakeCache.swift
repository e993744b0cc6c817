import CacheModel
import NIOCore
import NativeAPI
import Synchronization

@testable import CacheClient

/// The server's side of the native API as far as jobs use it, in memory and without any checks of its own.
final class FakeCache: Sendable {
    struct State: Sendable {
        /// Each blob's record, header included.
        var blobs: [Digest: [UInt8]] = [:]
        var entries: [String: Entry] = [:]
        var layers: [Digest: Layer] = [:]
        /// `METHOD path` of every request, without the project.
        var requests: [String] = []
        var endedLeases = 0
        /// How many commits are refused for bytes that are not there.
        var commitsToRefuse = 0
        /// What answers requests for blobs instead of the blobs.
        var fetching: (@Sendable ([Digest]) throws -> FakeAnswer?)?
    }

    private static let base = "/v1/projects/acme/shop/"
    private let state = Mutex(State())

    /// Looks at the state or changes it.
    func with<Value>(_ body: (inout State) throws -> sending Value) rethrows -> sending Value {
        try self.state.withLock { try body(&$0) }
    }

    /// How often a request came whose `METHOD path` starts with this.
    func count(_ prefix: String) -> Int { self.with { $0.requests.count { $0.hasPrefix(prefix) } } }

    func answer(_ request: FakeRequest) throws -> FakeAnswer {
        let path = String(request.path.dropFirst(Self.base.count))
        self.with { $0.requests.append("\(request.method) \(path)") }
        switch (request.method, path) {
        case ("POST", "resolve"): return try self.resolve(try request.decode(ResolveRequest.self))
        case ("POST", "trees/known"):
            let trees = try request.decode(KnownTreesRequest.self).trees
            return try .json(KnownTreesResponse(layers: self.with { state in trees.map { state.layers[$0] } }))
        case ("POST", "blobs/missing"):
            let digests = try request.decode(MissingBlobsRequest.self).digests
            let missing = self.with { state in digests.filter { state.blobs[$0] == nil } }
            return try .json(MissingBlobsResponse(missing: missing))
        case ("POST", "blobs"): return try self.store(request.body)
        case ("POST", "blobs/fetch"): return try self.fetch(try request.decode(FetchBlobsRequest.self).digests)
        case ("DELETE", _):
            if path.hasPrefix("leases/") { self.with { $0.endedLeases += 1 } }
            return FakeAnswer(status: 204)
        case ("PUT", _): return try self.commit(path, try request.decode(CommitRequest.self))
        default:
            guard let entry = self.with({ $0.entries[path] }) else { return try .error(404, .notFound, "no entry") }
            return try .json(entry)
        }
    }

    private func resolve(_ question: ResolveRequest) throws -> FakeAnswer {
        for (index, pattern) in question.keys.enumerated() {
            guard let entry = self.with({ $0.entries["entries/\(PathEncoding.encode(pattern.key.text))"] }) else {
                continue
            }
            return try .json(ResolveResponse(entry: entry, keyIndex: index, isExact: true, lease: "lease"))
        }
        return try .json(
            ResolveResponse(explanations: question.keys.map { MissExplanation(key: $0.key, summary: "never saved") })
        )
    }

    private func store(_ records: [UInt8]) throws -> FakeAnswer {
        var parser = BlobRecordParser()
        parser.append(ByteBuffer(bytes: records))
        var stored = 0
        while let (header, bytes) = try parser.next() {
            self.with { $0.blobs[header.digest] = header.bytes + Array(bytes.readableBytesView) }
            stored += 1
        }
        return try .json(StoredBlobsResponse(stored: stored))
    }

    private func fetch(_ digests: [Digest]) throws -> FakeAnswer {
        if let other = self.with({ $0.fetching }), let answer = try other(digests) { return answer }
        let records = self.with { state in digests.map { state.blobs[$0] } }
        guard records.allSatisfy({ $0 != nil }) else { return try .error(404, .notFound, "a blob is gone") }
        return FakeAnswer(body: records.flatMap { $0 ?? [] })
    }

    private func commit(_ path: String, _ commit: CommitRequest) throws -> FakeAnswer {
        let refuses = self.with { state in
            state.commitsToRefuse -= 1
            return state.commitsToRefuse >= 0
        }
        if refuses { return try .error(400, .invalidRequest, "layer 'tree' refers to bytes that were not uploaded") }
        let key = try CacheKey(PathEncoding.decode(path.dropFirst("entries/".count)) ?? "")
        let entry = Entry(
            id: 1,
            project: try ProjectName("acme/shop"),
            scope: commit.scope ?? .shared,
            key: key,
            layers: commit.layers,
            provenance: commit.provenance,
            createdAt: Timestamp(milliseconds: 1_585_369_367_000),
            lastUsedAt: Timestamp(milliseconds: 1_585_369_367_000),
            signature: commit.signature
        )
        let response = self.with { state in
            if let taken = state.entries[path], commit.replace != true {
                let isSame = taken.layers.map(\.treeDigest) == entry.layers.map(\.treeDigest)
                return CommitResponse(outcome: .exists, entry: taken, isSameContent: isSame)
            }
            state.entries[path] = entry
            for layer in entry.layers { state.layers[layer.treeDigest] = layer }
            return CommitResponse(outcome: .saved, entry: entry, isSameContent: true)
        }
        return try .json(response)
    }
}

import CacheModel
import LayerKernels
import NativeAPI
import Signatures
import Testing

@Suite struct SignatureRouteTests {
    private static let entries = Sample.project + "/entries"

    /// Uploads a tree under one key, and commits it under another with a signature made by `sign`.
    private static func commit(
        _ server: TestServer,
        _ key: String,
        scope: String = "shared",
        sign: (SignedContent) throws -> EntrySignature?
    ) async throws -> Answer {
        _ = try await server.send("PUT", self.entries + "/first/layers/0.tar", Sample.tar())
        let first: Entry = try await server.send("GET", self.entries + "/first").message()
        let known = KnownTreesRequest(session: Sample.session, trees: [first.layers[0].treeDigest])
        _ = try await server.post(Sample.project + "/trees/known", known)
        let blobs = MissingBlobsRequest(session: Sample.session, digests: [first.layers[0].stamps])
        _ = try await server.post(Sample.project + "/blobs/missing", blobs)
        let content = SignedContent(
            project: first.project,
            scope: try Scope(scope),
            key: try CacheKey(key),
            layers: first.layers
        )
        let commit = CommitRequest(
            session: Sample.session,
            layers: first.layers,
            provenance: Provenance(template: key),
            scope: try Scope(scope),
            signature: try sign(content)
        )
        return try await server.send("PUT", self.entries + "/\(key)", NativeJSON.encode(commit))
    }

    @Test func `a signature is kept and comes back with the entry`() async throws {
        let key = SigningKey()
        try await TestServer.run { server in
            let answer = try await Self.commit(server, "signed") { content in
                try content.signed(with: key, at: .current, expiresAt: nil, producer: "test")
            }
            #expect(answer.status == 200, "\(answer.text)")
            for path in ["/signed", "?prefix=signed"] {
                let found = try await server.send("GET", Self.entries + path)
                let entry: Entry
                if path == "/signed" {
                    entry = try found.message()
                } else {
                    entry = try #require(try found.message(EntriesResponse.self).entries.first)
                }
                let signature = try #require(entry.signature)
                #expect(SignedContent(entry).isSigned(by: signature) && signature.key == key.publicKey.bytes)
            }
        }
    }

    @Test func `a signature that is not about the entry is refused, and nothing is stored`() async throws {
        let key = SigningKey()
        try await TestServer.run { server in
            let answer = try await Self.commit(server, "k", scope: "main") { content in
                var signature = try content.signed(with: key, at: .current, expiresAt: nil, producer: "test")
                signature.producer = "somebody else"
                return signature
            }
            #expect(answer.status == 400 && answer.text.contains("--scope"), "\(answer.text)")
            #expect(try await server.send("GET", Self.entries + "/k?scope=main").status == 404)
        }
    }

    @Test func `a commit gives a receipt, which can be asked for again`() async throws {
        try await TestServer.run { server in
            let saved = try await server.send("PUT", Self.entries + "/v1/layers/0.tar", Sample.tar())
            let receipt = try #require(try saved.message(CommitResponse.self).receipt)
            let key: ServerKeyResponse = try await server.send("GET", "/v1/server-key").message()
            #expect(receipt.isSigned(with: VerificationKey(bytes: key.key)) && receipt.actor == "open")
            let again: Receipt = try await server.send("GET", Self.entries + "/v1/receipt").message()
            #expect(again == receipt)
            let page: AuditPage = try await server.send("GET", "/v1/audit").message()
            #expect(page.rows.contains { $0.head == receipt.audit && $0.event.record == receipt.record })
            #expect(try await server.send("GET", Self.entries + "/v2/receipt").status == 404)
        }
    }
}

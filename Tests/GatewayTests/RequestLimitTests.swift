import CacheModel
import LayerKernels
import NativeAPI
import Testing

/// Lists in requests have an end.
@Suite struct RequestLimitTests {
    private func digests(_ count: Int) -> [Digest] { (0..<count).map { SHA256.digest(of: Array("\($0)".utf8)) } }

    private func expectRefusal(_ answer: Answer, saying words: String) throws {
        let message = try answer.message(ErrorResponse.self)
        #expect(answer.status == 400 && message.code == "invalid-request" && message.message.contains(words))
    }

    @Test func `a question has at most twenty keys`() async throws {
        try await TestServer.run { server in
            func ask(_ count: Int) async throws -> Answer {
                let question = ResolveRequest(keys: try (0..<count).map { .init(key: try CacheKey("k\($0)")) })
                return try await server.post(Sample.project + "/resolve", question)
            }
            #expect(try await ask(20).status == 200)
            try self.expectRefusal(try await ask(21), saying: "1 to 20 keys, not 21")
            try self.expectRefusal(try await ask(0), saying: "1 to 20 keys, not 0")
        }
    }

    @Test func `a question names no more digests than the operator allows`() async throws {
        try await TestServer.run(["max-digests": "3"]) { server in
            let session = Sample.session
            for (path, message) in [
                ("/blobs/missing", { MissingBlobsRequest(session: session, digests: $0) as any Encodable }),
                ("/trees/known", { KnownTreesRequest(session: session, trees: $0) as any Encodable }),
                ("/blobs/fetch", { FetchBlobsRequest(digests: $0) as any Encodable }),
            ] as [(String, ([Digest]) -> any Encodable)] {
                let allowed = try await server.post(Sample.project + path, message(self.digests(3)))
                #expect(allowed.status == (path == "/blobs/fetch" ? 404 : 200))
                let refused = try await server.post(Sample.project + path, message(self.digests(4)))
                try self.expectRefusal(refused, saying: "4 digests, more than the 3 allowed")
            }
        }
    }

    @Test func `an entry has no more layers than the operator allows`() async throws {
        try await TestServer.run(["max-layers": "2"]) { server in
            let layer = Sample.absentLayer
            let commit = CommitRequest(
                session: Sample.session,
                layers: [layer, layer, layer],
                provenance: Provenance(template: "k")
            )
            let body = try NativeJSON.encode(commit)
            let refused = try await server.send("PUT", Sample.project + "/entries/k", body)
            try self.expectRefusal(refused, saying: "1 to 2 layers, not 3")
        }
    }
}

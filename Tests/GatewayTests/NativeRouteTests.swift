import CacheModel
import Foundation
import LayerKernels
import NativeAPI
import Testing

@Suite struct NativeRouteTests {
    @Test func `a tar that was uploaded can be resolved, listed, downloaded and removed`() async throws {
        try await TestServer.run { server in
            let saved = try await server.send("PUT", Sample.project + "/entries/v1/layers/0.tar", Sample.tar())
            #expect(saved.status == 200, "\(saved.text)")
            let commit: CommitResponse = try saved.message()
            #expect(commit.outcome == .saved)
            let question = ResolveRequest(keys: [.init(key: try CacheKey("v"))])
            let found: ResolveResponse = try await server.post(Sample.project + "/resolve", question).message()
            #expect(found.entry?.key.text == "v1")
            #expect(found.isExact == false)
            let lease = try #require(found.lease)
            #expect(try await server.send("DELETE", Sample.project + "/leases/\(lease)").status == 204)
            let page: EntriesResponse = try await server.send("GET", "/v1/entries?project=acme%2Fshop&limit=10")
                .message()
            #expect(page.entries.map(\.key.text) == ["v1"])
            let file = try await server.send("GET", Sample.project + "/entries/v1/layers/0/files/hello.txt")
            #expect(file.text == "hello, world\n")
            let tar = try await server.send("GET", Sample.project + "/entries/v1/layers/0.tar")
            #expect(tar.status == 200)
            #expect(tar.body.count % 512 == 0 && tar.text.contains("hello, world"))
            let removed: ChangeResponse = try await server.send("DELETE", Sample.project + "/entries/v1").message()
            #expect(removed.entries.count == 1 && removed.undoUntil != nil)
            #expect(try await server.send("GET", Sample.project + "/entries/v1").status == 404)
            let history: HistoryResponse = try await server.send("GET", Sample.project + "/history?key=v1").message()
            #expect(history.events.map(\.kind) == ["deleted", "saved"])
        }
    }

    @Test func `a canonical layer has a length, ranges and an entity tag`() async throws {
        try await TestServer.run { server in
            _ = try await server.send("PUT", Sample.project + "/entries/v1/layers/0.tar", Sample.tar())
            let path = Sample.project + "/entries/v1/layers/0.tar.zst?form=canonical"
            let whole = try await server.send("GET", path)
            #expect(whole.status == 200, "\(whole.text)")
            #expect(whole.headers["content-length"] == "\(whole.body.count)")
            let head = try await server.send("HEAD", path)
            #expect(head.status == 200 && head.body.isEmpty)
            #expect(head.headers["content-length"] == "\(whole.body.count)")
            let tag = try #require(whole.headers["etag"])
            let part = try await server.send("GET", path, headers: ["Range": "bytes=3-9", "If-Range": tag])
            #expect(part.status == 206 && part.body == Array(whole.body[3...9]))
            #expect(part.headers["content-range"] == "bytes 3-9/\(whole.body.count)")
            let other = try await server.send("GET", path, headers: ["Range": "bytes=3-9", "If-Range": "\"x\""])
            #expect(other.status == 200 && other.body == whole.body)
            #expect(try await server.send("GET", path, headers: ["Range": "bytes=999999-"]).status == 416)
            #expect(try await server.send("GET", path, headers: ["If-None-Match": tag]).status == 304)
        }
    }

    @Test func `blobs go up and come down as records`() async throws {
        try await TestServer.run { server in
            let blobs = (0..<5).map { index in [UInt8](repeating: UInt8(index), count: 100_000 * index + 1) }
            let digests = blobs.map { SHA256.digest(of: $0) }
            let upload = Sample.project + "/blobs?session=" + Sample.session
            let stored = try await server.send("POST", upload, blobs.flatMap { Sample.record($0) })
            #expect(stored.status == 200, "\(stored.text)")
            #expect(try stored.message(StoredBlobsResponse.self).stored == 5)
            let unknown = SHA256.digest(of: [1, 2, 3])
            let question = MissingBlobsRequest(session: Sample.session, digests: digests + [unknown])
            let missing: MissingBlobsResponse = try await server.post(Sample.project + "/blobs/missing", question)
                .message()
            #expect(missing.missing == [unknown])
            let order = [digests[3], digests[0], digests[3]]
            let fetched = try await server.post(Sample.project + "/blobs/fetch", FetchBlobsRequest(digests: order))
            #expect(fetched.status == 200)
            var rest = fetched.body[...]
            for digest in order {
                let header = try Array(rest.prefix(44)).withUnsafeBytes { try BlobRecordCoding.Header($0) }
                #expect(header.digest == digest)
                rest = rest.dropFirst(44 + header.storedSize)
            }
            #expect(rest.isEmpty)
            let absent = try await server.post(
                Sample.project + "/blobs/fetch",
                FetchBlobsRequest(digests: [digests[0], unknown])
            )
            #expect(absent.status == 404)
            #expect(
                try await server.post("/v1/projects/acme/other/blobs/fetch", FetchBlobsRequest(digests: digests)).status
                    == 404
            )
            #expect(try await server.send("DELETE", Sample.project + "/sessions/" + Sample.session).status == 204)
        }
    }

    @Test func `damage on the disk is told before the first byte, and a client's report is looked into`() async throws {
        try await TestServer.run { server in
            let blobs = [[UInt8](repeating: 1, count: 100_000), [2, 3, 4]]
            let digests = blobs.map { SHA256.digest(of: $0) }
            let upload = Sample.project + "/blobs?session=" + Sample.session
            #expect(try await server.send("POST", upload, blobs.flatMap { Sample.record($0) }).status == 200)
            func fetch(_ digest: Digest) async throws -> Answer {
                try await server.post(Sample.project + "/blobs/fetch", FetchBlobsRequest(digests: [digest]))
            }
            func report() async throws -> Int {
                let answer = try await server.post(Sample.project + "/suspects", SuspectsRequest(digests: digests))
                return try answer.message(SuspectsResponse.self).damaged
            }
            try server.damage(digests[0])
            let damaged = try await fetch(digests[0])
            #expect(damaged.status == 500)
            #expect(try damaged.message(ErrorResponse.self).code == "corrupt")
            #expect(try await fetch(digests[0]).status == 404)
            #expect(try await fetch(digests[1]).status == 200)
            try server.damage(digests[1])
            #expect(try await report() == 1)
            #expect(try await report() == 0)
            #expect(try await fetch(digests[1]).status == 404)
            let metrics = try await server.send("GET", "/metrics").text
            for found in ["read", "report"] {
                #expect(metrics.contains("tarn_quarantined_blobs_total{found=\"\(found)\"} 1\n"), "\(metrics)")
            }
            let many = SuspectsRequest(digests: Array(repeating: digests[0], count: SuspectsRequest.limit + 1))
            #expect(try await server.post(Sample.project + "/suspects", many).status == 400)
            #expect(try await server.send("POST", upload, blobs.flatMap { Sample.record($0) }).status == 200)
            for digest in digests { #expect(try await fetch(digest).status == 200) }
        }
    }

    @Test func `a blob with another digest is refused`() async throws {
        try await TestServer.run { server in
            let record = Sample.record([1, 2, 3], digest: SHA256.digest(of: [4]))
            let answer = try await server.send("POST", Sample.project + "/blobs?session=" + Sample.session, record)
            #expect(answer.status == 422)
            #expect(try answer.message(ErrorResponse.self).code == "digest-mismatch")
        }
    }

    @Test func `a key is decoded exactly once`() async throws {
        try await TestServer.run { server in
            let key = "a/b+c=d%2Fe%é"
            let encoded = "a%2Fb+c%3Dd%252Fe%25%C3%A9"
            let saved = try await server.send("PUT", Sample.project + "/entries/\(encoded)/layers/0.tar", Sample.tar())
            #expect(try saved.message(CommitResponse.self).entry.key.text == key)
            let entry = try await server.send("GET", Sample.project + "/entries/" + encoded)
            #expect(try entry.message(Entry.self).key.text == key)
            #expect(try await server.send("GET", Sample.project + "/entries/a%2").status == 400)
        }
    }

    @Test func `a commit of what was not uploaded is refused with its layer`() async throws {
        try await TestServer.run { server in
            let layer = Sample.absentLayer
            let commit = CommitRequest(session: Sample.session, layers: [layer], provenance: Provenance(template: "t"))
            let answer = try await server.send("PUT", Sample.project + "/entries/k", NativeJSON.encode(commit))
            #expect(answer.status == 400)
            #expect(try answer.message(ErrorResponse.self).message.contains("'venv'"))
        }
    }

    @Test func `a miss is an answer with an explanation`() async throws {
        try await TestServer.run { server in
            let question = ResolveRequest(keys: [.init(key: try CacheKey("nope"))])
            let answer = try await server.post(Sample.project + "/resolve", question)
            #expect(answer.status == 200)
            let response: ResolveResponse = try answer.message()
            #expect(response.entry == nil && response.explanations?.count == 1)
        }
    }

    @Test(arguments: [
        ("GET", "/nope", 404), ("PATCH", "/healthz", 405), ("GET", "/v1/collect", 405),
        ("GET", "/v1/projects/acme/shop/entries?limit=0", 400), ("GET", "/v1/projects/acme/shop/entries?limit=+1", 400),
        ("GET", "/v1/projects/acme/shop/entries?limt=1", 400), ("GET", "/v1/projects/-a b/..x/entries", 400),
        ("POST", "/v1/projects/acme/shop/blobs", 400), ("POST", "/v1/projects/acme/shop/resolve", 400),
        ("GET", "/v1/projects/acme/shop/entries/k/layers/x.tar", 404),
    ])
    func `a wrong request has an error with a request id`(method: String, path: String, status: Int) async throws {
        try await TestServer.run { server in
            let answer = try await server.send(method, path.replacingOccurrences(of: " ", with: "%20"))
            #expect(answer.status == status, "\(answer.text)")
            let error: ErrorResponse = try answer.message()
            #expect(error.requestID == answer.headers["tarn-request-id"] && error.requestID != nil)
            #expect(!error.message.isEmpty)
            if status == 405 { #expect(answer.headers["allow"] != nil) }
        }
    }

    @Test func `health, readiness and metrics are there`() async throws {
        try await TestServer.run { server in
            #expect(try await server.send("GET", "/healthz").text.contains("\"sqlite\":\"3."))
            #expect(try await server.send("GET", "/readyz").status == 200)
            _ = try await server.send("PUT", Sample.project + "/entries/v1/layers/0.tar", Sample.tar())
            let metrics = try await server.send("GET", "/metrics").text
            for line in metrics.split(separator: "\n") where !line.hasPrefix("#") {
                #expect(
                    line.firstMatch(of: /^tarn_[a-z_]+(\{[^}]*\}+)? [0-9.e+-]+$/) != nil || line.contains("{"),
                    "\(line)"
                )
                #expect(line.split(separator: " ").last.flatMap { Double($0) } != nil, "\(line)")
            }
            #expect(metrics.contains("tarn_entries{state=\"visible\"} 1"))
            #expect(metrics.contains("route=\"/healthz\",code=\"200\"} 1"))
        }
    }

    @Test func `statistics, changes, collection and check answer`() async throws {
        try await TestServer.run { server in
            _ = try await server.send("PUT", Sample.project + "/entries/v1/layers/0.tar", Sample.tar())
            let pin = ChangeRequest(action: .pin, prefix: try CacheKey("v"))
            let pinned: ChangeResponse = try await server.post(Sample.project + "/changes", pin).message()
            #expect(pinned.entries.map(\.isPinned) == [true])
            let both = ChangeRequest(action: .pin, key: try CacheKey("v"), prefix: try CacheKey("v"))
            #expect(try await server.post(Sample.project + "/changes", both).status == 400)
            let figures: StatisticsResponse = try await server.send("GET", "/v1/statistics").message()
            #expect(figures.entries == 1 && figures.pinnedEntries == 1)
            let own: StatisticsResponse = try await server.send("GET", Sample.project + "/statistics").message()
            #expect(own.entries == 1)
            #expect(try await server.send("POST", "/v1/collect").status == 200)
            let check = try await server.post("/v1/check", CheckRequest(readData: true))
            #expect(try check.message(CheckResponse.self).problems == [], "\(check.text)")
        }
    }
}

import CacheModel
import Foundation
import LayerKernels
import NativeAPI
import Testing

@Suite struct AuditRouteTests {
    private static func verdict(_ server: TestServer, remembered: Digest? = nil) async throws -> AuditVerdict {
        try await AuditVerdict.check(remembered: remembered) { after in
            try await server.send("GET", "/v1/audit?limit=3&after=\(after)").message()
        }
    }

    @Test func `what is done over HTTP can be read and checked over HTTP`() async throws {
        try await TestServer.run { server in
            let tar = Sample.project + "/entries/v1/layers/0.tar"
            _ = try await server.send("PUT", tar, Sample.tar())
            _ = try await server.send("PUT", tar, Sample.tar("other\n"))
            _ = try await server.send("PUT", tar + "?replace=true", Sample.tar("new\n"))
            let key = try CacheKey("v1")
            for action: ChangeRequest.Action in [.pin, .unpin, .remove, .restore] {
                _ = try await server.post(Sample.project + "/changes", ChangeRequest(action: action, key: key))
            }
            let head: AuditHead = try await server.send("GET", "/v1/audit/head").message()
            _ = try await server.post("/v1/collect", CollectRequest())
            _ = try await server.post("/v1/check", CheckRequest(repair: true))
            let page: AuditPage = try await server.send("GET", "/v1/audit").message()
            #expect(
                page.rows.map(\.event.action.rawValue) == [
                    "server-started", "saved", "replaced", "saved", "pinned", "unpinned", "deleted", "brought-back",
                    "collected", "repaired",
                ]
            )
            #expect(page.rows.map(\.event.actor) == ["server"] + Array(repeating: "open", count: 9))
            let filtered: AuditPage = try await server.send("GET", "/v1/audit?project=acme%2Fshop&limit=2&after=4")
                .message()
            #expect(filtered.rows.map(\.sequence) == [5, 6])
            let verdict = try await Self.verdict(server, remembered: head.hash)
            #expect(verdict.problem == nil && verdict.rows == 10 && verdict.head == page.head)
            #expect(try await Self.verdict(server, remembered: Digest(word: 1)).problem != nil)
        }
    }

    @Test func `a question that makes no sense is refused`() async throws {
        try await TestServer.run { server in
            for query in ["after=-1", "after=x", "limit=0", "limit=1001", "project=nonsense", "actor=me"] {
                let answer = try await server.send("GET", "/v1/audit?\(query)")
                #expect(answer.status == 400, "\(query)")
            }
        }
    }
}

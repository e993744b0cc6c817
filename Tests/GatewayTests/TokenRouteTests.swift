import CacheModel
import CacheServer
import Foundation
import LayerKernels
import NativeAPI
import Testing

@Suite struct TokenRouteTests {
    @Test func `the first token closes the server, and its revocation does not open it again`() async throws {
        try await TestServer.run { server in
            #expect(try await server.send("GET", "/v1/tokens").status == 200)
            let who: WhoAmIResponse = try await server.send("GET", "/v1/whoami").message()
            #expect(who.name == "open" && who.rule == "R10")
            let wish = MakeTokenRequest(name: "boss", role: "admin", projects: "*", ttlSeconds: 3_600)
            let made: MakeTokenResponse = try await server.post("/v1/tokens", wish).message()
            let headers = ["Authorization": "Bearer \(made.token)"]
            let answer = try await server.send("GET", "/v1/tokens")
            #expect(answer.status == 401 && answer.headers["www-authenticate"] == "Bearer")
            #expect(try answer.message(ErrorResponse.self).code == "unauthenticated")
            let listed = try await server.send("GET", "/v1/tokens", headers: headers)
            #expect(try listed.message(TokensResponse.self).tokens.map(\.id) == [made.description.id])
            let secret = try #require(made.token.split(separator: "_").dropFirst(2).first)
            #expect(!listed.text.contains(secret))
            let basic = "Basic " + Data("x:\(made.token)".utf8).base64EncodedString()
            #expect(try await server.send("GET", "/v1/tokens", headers: ["Authorization": basic]).status == 200)
            let path = "/v1/tokens/\(made.description.id)"
            let revoked = try await server.send("DELETE", path, headers: headers)
            #expect(try revoked.message(TokenDescription.self).revokedAt != nil)
            let refused = try await server.send("GET", "/v1/tokens", headers: headers)
            #expect(refused.status == 401 && refused.text.contains("revoked"))
            #expect(try await server.send("GET", "/healthz").status == 200)
        }
    }

    @Test func `a token that was revoked is refused on a connection that it opened`() async throws {
        try await ClosedServer.run { closed in
            var closed = closed
            let wish = MakeTokenRequest(name: "short", role: "job", projects: "acme/plain")
            let token = try await closed.make("short", wish)
            let credential = try #require(closed.headers("short")["Authorization"])
            let request = """
                GET /v1/projects/acme/plain/entries HTTP/1.1\r\nHost: t\r\nAuthorization: \(credential)\r\n\r\n
                """
            let connection = try RawConnection(closed.server.port)
            #expect(try await TestServer.offload { try connection.answer(to: request).status } == 200)
            #expect(try await closed.send("admin", "DELETE", "/v1/tokens/\(token.id)").status == 200)
            #expect(try await TestServer.offload { try connection.answer(to: request).status } == 401)
        }
    }

    private func fastCount(_ closed: ClosedServer) async throws -> Int {
        let text = try await closed.send("admin", "GET", "/metrics").text
        let line = try #require(text.components(separatedBy: "\n").first { $0.hasPrefix("tarn_fast_requests_total ") })
        return try #require(line.split(separator: " ").last.flatMap { Int($0) })
    }

    @Test func `what is hot is answered to those who may read it, and to nobody else`() async throws {
        try await ClosedServer.run { closed in
            var closed = closed
            let wish = MakeTokenRequest(name: "short", role: "job", projects: "acme/plain")
            let token = try await closed.make("short", wish)
            let bytes = [UInt8](repeating: 7, count: 1_000)
            let upload = "/v1/projects/acme/plain/blobs?session=" + Sample.session
            #expect(try await closed.send("plain", "POST", upload, Sample.record(bytes)).status == 200)
            let path = "/v1/projects/acme/plain/blobs/\(SHA256.digest(of: bytes))"
            let port = closed.server.port
            let tokens = closed
            func ask(_ who: String) async throws -> Answer {
                let field = tokens.headers(who)["Authorization"].map { "Authorization: \($0)\r\n" } ?? ""
                let request = "GET \(path) HTTP/1.1\r\nHost: t\r\n\(field)\r\n"
                return try await TestServer.offload { try RawConnection(port).answer(to: request) }
            }
            for who in ["short", "short", "plain", "admin", "chooser"] {
                let answer = try await ask(who)
                #expect(answer.status == 200 && answer.body == bytes, "\(who)")
            }
            let before = try await self.fastCount(closed)
            #expect(before > 0)
            let statuses = [("none", 401), ("other", 404), ("pr", 404), ("main", 404), ("audit", 403)]
            for (who, status) in statuses { #expect(try await ask(who).status == status, "\(who)") }
            #expect(try await closed.send("admin", "DELETE", "/v1/tokens/\(token.id)").status == 200)
            #expect(try await ask("short").status == 401)
            #expect(try await self.fastCount(closed) == before)
        }
    }

    @Test func `in an isolated project nobody gets hot answers, and a pin is its session's alone`() async throws {
        try await ClosedServer.run { closed in
            let bytes = [UInt8](repeating: 8, count: 1_000)
            let upload = Sample.project + "/blobs?session=" + Sample.session
            let stored = try await closed.send("main", "POST", upload, Sample.record(bytes))
            #expect(stored.status == 200)
            let path = Sample.project + "/blobs/\(SHA256.digest(of: bytes))"
            let port = closed.server.port
            func ask(_ who: String) async throws -> Int {
                let field = closed.headers(who)["Authorization"] ?? ""
                let request = "GET \(path) HTTP/1.1\r\nHost: t\r\nAuthorization: \(field)\r\n\r\n"
                return try await TestServer.offload { try RawConnection(port).answer(to: request).status }
            }
            #expect(try await ask("main") == 404)
            for _ in 0..<3 { #expect(try await ask("admin") == 200) }
            #expect(try await ask("main") == 404)
            #expect(try await self.fastCount(closed) == 0)
        }
    }

    @Test func `metrics can be public`() async throws {
        try await TestServer.run(["public-metrics": "true"]) { (server) async throws in
            let wish = MakeTokenRequest(name: "boss", role: "admin", projects: "*")
            #expect(try await server.post("/v1/tokens", wish).status == 200)
            #expect(try await server.send("GET", "/metrics").status == 200)
            #expect(try await server.send("GET", "/v1/statistics").status == 401)
        }
    }

    @Test func `whoami and explain say what the policy would decide`() async throws {
        try await ClosedServer.run { closed in
            let project = try ProjectName("acme/shop")
            let who: WhoAmIResponse = try await closed.send("pr", "GET", "/v1/whoami?project=acme%2Fshop").message()
            #expect(who.tier == "pull-request" && who.rule == "R4" && who.scope?.text == "pr/7")
            #expect(who.readChain?.map(\.text) == ["pr/7", "branch/main"] && who.mode == "isolated")
            let stranger: WhoAmIResponse = try await closed.send("other", "GET", "/v1/whoami?project=acme%2Fshop")
                .message()
            #expect(stranger.rule == "R11" && stranger.readChain == nil && stranger.mode == nil)
            func explain(_ who: String, _ request: ExplainRequest) async throws -> Answer {
                try await closed.server.post("/v1/policy/explain", request, headers: closed.headers(who))
            }
            let main = try Scope("branch/main")
            let save = ExplainRequest(action: "save", project: project, scope: main)
            let denied: ExplainResponse = try await explain("pr", save).message()
            #expect(!denied.isAllowed && denied.rule == "R4")
            let allowed: ExplainResponse = try await explain("main", save).message()
            #expect(allowed.isAllowed && allowed.rule == "R1")
            var job = save
            job.job = .init(project: project, pullRequest: "9", isFork: true)
            #expect(try await explain("pr", job).status == 403)
            let fork: ExplainResponse = try await explain("audit", job).message()
            #expect(!fork.isAllowed && fork.rule == "R5" && fork.principal.scope?.text == "pr/9")
            var token = save
            token.token = String(try #require(closed.tokens["main"]).split(separator: "_")[1])
            #expect(try await explain("audit", token).status == 403)
            #expect(try await explain("admin", token).message(ExplainResponse.self).isAllowed)
            token.token = "nobodysToken"
            #expect(try await explain("admin", token).status == 404)
            #expect(try await explain("admin", ExplainRequest(action: "steal")).status == 400)
        }
    }

    @Test func `another machine is not served without tokens`() async throws {
        let folder = NSTemporaryDirectory() + "tarn-exposed-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        await #expect(throws: ConfigurationProblems.self) {
            try await TestServer.run(["data": folder, "listen": "0.0.0.0:0"]) { _ in }
        }
        try await TestServer.run(["data": folder]) { (server) async throws in
            let wish = MakeTokenRequest(name: "boss", role: "admin", projects: "*")
            #expect(try await server.post("/v1/tokens", wish).status == 200)
        }
        try await TestServer.run(["data": folder, "listen": "0.0.0.0:0"]) { (server) async throws in
            #expect(try await server.send("GET", "/v1/statistics").status == 401)
        }
        // A database that was lost and made anew has no tokens, and the server stays closed all the same.
        for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: folder + "/" + name)
        }
        try await TestServer.run(["data": folder, "listen": "0.0.0.0:0"]) { (server) async throws in
            #expect(try await server.send("GET", "/v1/statistics").status == 401)
        }
    }
}

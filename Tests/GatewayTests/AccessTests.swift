import AccessPolicy
import CacheModel
import CacheServer
import Foundation
import LayerKernels
import NativeAPI
import Testing

/// A closed server with an isolated project `acme/shop`, and somebody of every kind.
struct ClosedServer: Sendable {
    let server: TestServer
    /// Tokens by the names of their holders.
    private(set) var tokens: [String: String] = [:]

    static let isolated = AccessSetup(rules: { project in
        ProjectRules(mode: project.name == "shop" || project.name == "void" ? .isolated : .shared)
    })

    static func run(_ body: (Self) async throws -> Void) async throws {
        try await TestServer.run(access: Self.isolated) { server in
            var closed = Self(server: server)
            try await closed.make("admin", MakeTokenRequest(name: "admin", role: "admin", projects: "*"))
            try await closed.make("audit", MakeTokenRequest(name: "audit", role: "auditor", projects: "*"))
            try await closed.make("dev", MakeTokenRequest(name: "ann", role: "developer", projects: "acme/*"))
            for (name, projects, scope) in [
                ("main", "acme/shop", "branch/main"), ("pr", "acme/shop", "pr/7"), ("other", "other/*", "asserted"),
                ("chooser", "acme/*", "asserted"), ("plain", "acme/plain", "shared"),
            ] {
                let wish = MakeTokenRequest(name: name, role: "job", projects: projects, scope: scope)
                try await closed.make(name, wish)
            }
            for (key, scope) in [("m", "branch/main"), ("x", "branch/x"), ("p", "pr/7")] {
                let path = Sample.project + "/entries/\(key)/layers/0.tar?scope=\(scope)"
                let answer = try await closed.send("admin", "PUT", path, Sample.tar("in \(scope)\n"))
                #expect(answer.status == 200, "\(answer.text)")
            }
            try await body(closed)
        }
    }

    @discardableResult
    mutating func make(_ name: String, _ wish: MakeTokenRequest) async throws -> TokenDescription {
        let answer = try await self.server.post("/v1/tokens", wish, headers: self.headers("admin"))
        #expect(answer.status == 200, "\(answer.text)")
        let made: MakeTokenResponse = try answer.message()
        self.tokens[name] = made.token
        return made.description
    }

    func headers(_ who: String) -> [String: String] {
        self.tokens[who].map { ["Authorization": "Bearer \($0)"] } ?? [:]
    }

    func send(_ who: String, _ method: String, _ path: String, _ body: [UInt8] = []) async throws -> Answer {
        try await self.server.send(method, path, body, headers: self.headers(who))
    }
}

@Suite struct AccessTests {
    private static let layer = "/layers/0.tar"
    private static let absent = "\(SHA256.digest(of: Array("nobody saved this".utf8)))"

    /// What everybody gets: the request, and a status for each column.
    private static let matrix = """
        request                                      none admin audit dev main pr  other
        GET /healthz                                 200  200   200   200 200  200 200
        GET /v1/openapi.json                         200  200   200   200 200  200 200
        GET /metrics                                 401  200   200   403 403  403 403
        GET /v1/statistics                           401  200   200   403 403  403 403
        GET /v1/entries                              401  200   200   403 403  403 403
        POST /v1/collect                             401  200   403   403 403  403 403
        POST /v1/check                               401  200   403   403 403  403 403
        GET /v1/tokens                               401  200   403   403 403  403 403
        POST /v1/tokens                              401  400   403   403 403  403 403
        DELETE /v1/tokens/none                       401  404   403   403 403  403 403
        GET /v1/whoami                               401  200   200   200 200  200 200
        GET P/entries                                401  200   200   200 200  200 200
        GET P/history?key=m                          401  200   200   200 200  200 200
        GET P/statistics                             401  200   200   403 403  403 200
        GET P/entries/m                              401  200   403   200 200  200 404
        GET P/entries/m?scope=branch/main            401  200   403   200 200  200 404
        HEAD P/entries/m?scope=branch/main           401  200   403   200 200  200 404
        GET P/entries/x?scope=branch/x               401  200   403   404 404  404 404
        GET P/entries/p?scope=pr/7                   401  200   403   404 404  200 404
        GET P/entries/p                              401  404   403   404 404  200 404
        GET P/entries/m/layers/0.tar                 401  200   403   200 200  200 404
        GET P/entries/x/layers/0.tar?scope=branch/x  401  200   403   404 404  404 404
        GET P/entries/m/layers/0/files/hello.txt     401  200   403   200 200  200 404
        GET P/blobs/D                                401  404   403   404 404  404 404
        PUT P/entries/m/layers/0.tar                 401  200   403   403 200  200 403
        PUT P/entries/n/layers/0.tar?scope=branch/main 401 200  403   403 200  403 403
        PUT P/entries/n/layers/0.tar?scope=pr/7&replace=true 401 200 403 403 403 200 403
        PUT P/entries/m/layers/0.tar?replace=true    401  200   403   403 403  200 403
        DELETE P/entries/o?scope=branch/main         401  200   403   403 403  403 403
        DELETE P/entries/o?scope=pr/7                401  200   403   403 403  200 403
        DELETE P/entries/o                           401  200   403   200 403  200 403
        DELETE P/sessions/session-1                  401  204   403   403 204  204 403
        DELETE P/leases/none                         401  204   403   204 204  204 204
        POST P/blobs                                 401  400   403   403 400  400 403
        POST P/blobs/missing                         401  400   403   403 400  400 403
        POST P/trees/known                           401  400   403   403 400  400 403
        PUT P/entries/k                              401  400   403   403 400  400 403
        POST P/changes                               401  400   403   400 400  400 403
        POST P/blobs/fetch                           401  400   403   400 400  400 400
        POST P/resolve                               401  400   403   400 400  400 400
        """

    @Test func `everybody gets what the matrix says`() async throws {
        try await ClosedServer.run { closed in
            let rows = Self.matrix.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            for row in rows.dropFirst() {
                let path = row[1].replacingOccurrences(of: "P/", with: Sample.project + "/")
                    .replacingOccurrences(of: "/D", with: "/" + Self.absent)
                let body = row[0] == "PUT" && path.contains(Self.layer) ? Sample.tar() : []
                for (who, status) in zip(rows[0].dropFirst(), row.dropFirst(2)) {
                    let answer = try await closed.send(who, row[0], path, body)
                    #expect("\(answer.status)" == status, "\(who): \(row[0]) \(row[1]): \(answer.text)")
                    if answer.status == 401 { #expect(answer.headers["www-authenticate"] == "Bearer") }
                    if answer.status == 403, row[0] != "HEAD" {
                        let message = try answer.message(ErrorResponse.self).message
                        #expect(message.hasPrefix("rule R") && message.contains("does not allow this: "), "\(message)")
                    }
                }
            }
        }
    }

    @Test func `restores find what the chain has, in its order, and nothing else`() async throws {
        try await ClosedServer.run { closed in
            let both = Sample.project + "/entries/k/layers/0.tar"
            for scope in ["pr/7", "branch/main"] {
                let answer = try await closed.send("admin", "PUT", both + "?scope=" + scope, Sample.tar(scope))
                #expect(answer.status == 200)
            }
            func found(_ who: String, _ key: String, scope: String? = nil) async throws -> String {
                let question = ResolveRequest(
                    keys: [.init(key: try CacheKey(key), provenance: Provenance(template: key))],
                    scope: try scope.map { try Scope($0) }
                )
                let answer = try await closed.server.post(
                    Sample.project + "/resolve",
                    question,
                    headers: closed.headers(who)
                )
                #expect(answer.status == 200, "\(answer.text)")
                let response: ResolveResponse = try answer.message()
                return response.entry?.scope.text ?? response.explanations?.first?.summary ?? "nothing"
            }
            let miss = "nothing was saved under this key template yet"
            #expect(try await found("pr", "k") == "pr/7")
            #expect(try await found("pr", "k", scope: "branch/main") == "branch/main")
            #expect(try await found("main", "k") == "branch/main")
            #expect(try await found("main", "k", scope: "pr/7") == miss)
            #expect(try await found("pr", "m") == "branch/main")
            for who in ["pr", "main", "dev", "other"] {
                #expect(try await found(who, "x") == miss)
                #expect(try await found(who, "x", scope: "branch/x") == miss)
            }
            #expect(try await found("other", "m") == miss)
            #expect(try await found("chooser", "x", scope: "branch/x") == "branch/x")
            #expect(try await found("chooser", "k", scope: "pr/7") == "pr/7")
            #expect(try await found("chooser", "k", scope: "branch/main") == "branch/main")
            #expect(try await found("chooser", "p") == miss)
        }
    }

    @Test func `lists and histories name only scopes that the sender may list`() async throws {
        try await ClosedServer.run { closed in
            func keys(_ who: String, _ query: String = "") async throws -> [String] {
                let answer = try await closed.send(who, "GET", Sample.project + "/entries" + query)
                return try answer.message(EntriesResponse.self).entries.map(\.key.text)
            }
            #expect(try await keys("admin") == ["m", "p", "x"])
            #expect(try await keys("audit") == ["m", "p", "x"])
            #expect(try await keys("dev") == ["m"])
            #expect(try await keys("main") == ["m"])
            #expect(try await keys("pr") == ["p"])
            #expect(try await keys("pr", "?scope=branch/x") == [])
            #expect(try await keys("other") == [])
            #expect(try await keys("admin", "?scope=pr/7") == ["p"])
            for (who, count) in [("admin", 1), ("pr", 0), ("main", 0), ("other", 0), ("audit", 1)] {
                let answer = try await closed.send(who, "GET", Sample.project + "/history?key=x")
                #expect(try answer.message(HistoryResponse.self).events.count == count, "\(who)")
            }
        }
    }

    /// An answer without what differs from request to request.
    private func essence(_ answer: Answer, _ name: String) -> String {
        var headers = answer.headers
        let id = headers.removeValue(forKey: "tarn-request-id") ?? "no id"
        headers["date"] = nil
        let fields = headers.sorted { $0.key < $1.key }.map { "\($0): \($1)" }.joined(separator: "\n")
        return "\(answer.status)\n\(fields)\n\(answer.text)".replacingOccurrences(of: id, with: "ID")
            .replacingOccurrences(of: name, with: "NAME")
    }

    @Test func `what somebody may not read looks exactly like what does not exist`() async throws {
        try await ClosedServer.run { closed in
            let digest = "\(SHA256.digest(of: Array("hello, world\n".utf8)))"
            let question = try NativeJSON.encode(
                ResolveRequest(keys: [.init(key: try CacheKey("m"), provenance: Provenance(template: "m"))])
            )
            let fetch = try NativeJSON.encode(FetchBlobsRequest(digests: [try Digest(hex: Self.absent)]))
            let requests: [(String, String, [UInt8])] = [
                ("GET", "/entries", []), ("GET", "/entries/m", []), ("GET", "/entries/m?scope=branch/main", []),
                ("HEAD", "/entries/m", []), ("GET", "/entries/m/layers/0.tar", []),
                ("GET", "/entries/m/layers/0.tar.zst?form=canonical", []),
                ("GET", "/entries/m/layers/0/files/hello.txt", []), ("GET", "/history?key=m", []),
                ("GET", "/statistics", []), ("GET", "/blobs/" + digest, []), ("HEAD", "/blobs/" + digest, []),
                ("POST", "/resolve", question), ("POST", "/blobs/fetch", fetch), ("DELETE", "/leases/none", []),
                ("PUT", "/entries/m/layers/0.tar", Sample.tar()), ("DELETE", "/entries/m", []),
                ("GET", "/entries/%", []), ("GET", "/entries?limit=0", []),
            ]
            for (method, path, body) in requests {
                func ask(_ who: String, _ project: String) async throws -> String {
                    let answer = try await closed.send(who, method, "/v1/projects/acme/\(project)" + path, body)
                    return self.essence(answer, project)
                }
                let foreign = try await ask("other", "shop")
                #expect(try await ask("other", "void") == foreign, "\(method) \(path)")
                // For whoever may read the project, it is the answer about an empty one.
                if method != "PUT", !path.hasPrefix("/entries/m?"), !(method == "DELETE" && path == "/entries/m") {
                    #expect(try await ask("admin", "void") == foreign, "\(method) \(path)")
                }
            }
            for path in ["", "/layers/0.tar", "/layers/0/files/hello.txt"] {
                let hidden = Sample.project + "/entries/x\(path)?scope=branch/x"
                let missing = Sample.project + "/entries/y\(path)?scope=branch/x"
                let answers = [
                    self.essence(try await closed.send("pr", "GET", hidden), "entry 'x'"),
                    self.essence(try await closed.send("pr", "GET", missing), "entry 'y'"),
                ]
                #expect(answers[0] == answers[1])
            }
        }
    }

    @Test func `a commit goes to the scope of the credential`() async throws {
        try await ClosedServer.run { closed in
            func save(_ who: String, _ key: String, _ query: String = "") async throws -> String {
                let path = Sample.project + "/entries/\(key)/layers/0.tar" + query
                let answer = try await closed.send(who, "PUT", path, Sample.tar())
                guard answer.status == 200 else { return "\(answer.status)" }
                return try answer.message(CommitResponse.self).entry.scope.text
            }
            #expect(try await save("pr", "a") == "pr/7")
            #expect(try await save("pr", "b", "?scope=pr/7") == "pr/7")
            #expect(try await save("pr", "c", "?scope=pr/8") == "403")
            #expect(try await save("main", "a") == "branch/main")
            #expect(try await save("chooser", "a", "?scope=branch/y") == "branch/y")
            #expect(try await save("chooser", "b", "?scope=branch/main") == "403")
            #expect(try await save("chooser", "c") == "403")
            let commit = CommitRequest(
                session: Sample.session,
                layers: [],
                provenance: Provenance(template: "t"),
                scope: try Scope("branch/main")
            )
            for who in ["pr", "chooser", "other"] {
                let path = Sample.project + "/entries/stolen"
                let answer = try await closed.send(who, "PUT", path, NativeJSON.encode(commit))
                #expect(answer.status == 403, "\(who): \(answer.text)")
            }
            #expect(try await closed.send("admin", "GET", Sample.project + "/entries/stolen").status == 404)
        }
    }

    @Test func `in a shared project a job uses one scope, and replacing needs its action`() async throws {
        try await ClosedServer.run { closed in
            var closed = closed
            let saver = MakeTokenRequest(name: "saver", role: "job", projects: "acme/plain", actions: ["read", "save"])
            try await closed.make("saver", saver)
            let path = "/v1/projects/acme/plain/entries/k/layers/0.tar"
            #expect(try await closed.send("saver", "PUT", path, Sample.tar("1")).status == 200)
            let refused = try await closed.send("saver", "PUT", path + "?replace=true", Sample.tar("2"))
            #expect(refused.status == 403 && refused.text.contains("'replace'"), "\(refused.text)")
            let replaced = try await closed.send("plain", "PUT", path + "?replace=true", Sample.tar("2"))
            #expect(try replaced.message(CommitResponse.self).entry.scope == .shared)
            #expect(try await closed.send("saver", "GET", "/v1/projects/acme/plain/entries").status == 403)
            #expect(try await closed.send("plain", "GET", "/v1/projects/acme/plain/statistics").status == 200)
            #expect(try await closed.send("plain", "GET", "/v1/projects/acme/plain/entries/k").status == 200)
        }
    }

    @Test func `changes are decided by what the body asks`() async throws {
        try await ClosedServer.run { (closed) async throws in
            func change(_ who: String, _ action: ChangeRequest.Action, scope: String?) async throws -> Int {
                let request = ChangeRequest(
                    action: action,
                    prefix: try CacheKey("m"),
                    scope: try scope.map { try Scope($0) }
                )
                return try await closed.server.post(
                    Sample.project + "/changes",
                    request,
                    headers: closed.headers(who)
                ).status
            }
            #expect(try await change("main", .pin, scope: nil) == 200)
            #expect(try await change("main", .remove, scope: nil) == 403)
            #expect(try await change("pr", .pin, scope: nil) == 403)
            #expect(try await change("pr", .remove, scope: "branch/main") == 403)
            #expect(try await change("pr", .restore, scope: nil) == 200)
            #expect(try await change("admin", .unpin, scope: nil) == 200)
            #expect(try await change("audit", .pin, scope: nil) == 403)
            #expect(try await change("other", .remove, scope: nil) == 403)
        }
    }
}

import CacheModel
import NIOCore
import NIOHTTP1
import NativeAPI
import Synchronization
import Testing

@testable import CacheClient

/// What the client makes of servers that are down, slow, rude, or none at all.
struct ExchangeTests {
    private let key: CacheKey

    init() throws { self.key = try CacheKey("k") }

    /// Asks a server for an entry and counts the tries.
    private func ask(_ answers: FakeAnswer...) async throws -> (result: Result<Entry, any Error>, tries: Int) {
        let tries = Mutex(0)
        return try await FakeServer.run({ _ in
            tries.withLock { tries in
                tries += 1
                return answers[min(tries, answers.count) - 1]
            }
        }) { client in
            let result: Result<Entry, any Error>
            do {
                result = .success(try await client.entry(self.key, scope: nil))
            } catch {
                result = .failure(error)
            }
            return (result, tries.withLock { $0 })
        }
    }

    private var entry: FakeAnswer {
        get throws {
            let now = Timestamp(milliseconds: 0)
            return try .json(
                Entry(
                    id: 1,
                    project: try ProjectName("acme/shop"),
                    scope: .shared,
                    key: self.key,
                    layers: [],
                    provenance: Provenance(template: "k"),
                    createdAt: now,
                    lastUsedAt: now
                )
            )
        }
    }

    private func error(_ result: Result<Entry, any Error>) throws -> CacheError {
        guard case .failure(let error) = result else { throw CacheError(.invalidRequest, "there is no error") }
        return try #require(error as? CacheError)
    }

    @Test func `a busy server is asked again`() async throws {
        var busy = try FakeAnswer.error(503, .unavailable, "busy")
        busy.headers = [("retry-after", "0")]
        let (result, tries) = try await self.ask(busy, .text("bad gateway", status: 502), self.entry)
        #expect(try result.get().key == self.key)
        #expect(tries == 3)
    }

    @Test func `a pause is at least what the server asks for`() async throws {
        var busy = try FakeAnswer.error(503, .unavailable, "busy")
        busy.headers = [("retry-after", "7")]
        let answer = busy
        try await FakeServer.run({ _ in answer }) { client in
            let error = await #expect(throws: FailedTry.self) {
                try await client.attempt(NativeRequest(method: .GET, path: "/")) { _ in }
            }
            #expect(error?.pause == .seconds(7))
            #expect(error?.isWorthAnother == true)
        }
    }

    @Test func `a server that stays busy is given up with its own words`() async throws {
        let (result, tries) = try await self.ask(try .error(503, .unavailable, "draining"))
        #expect(try self.error(result).message == "draining")
        #expect(tries == 4)
    }

    @Test(arguments: [(404, CacheError.Code.notFound), (403, .forbidden), (507, .quotaExceeded), (500, .corrupt)])
    func `an answer that stays the same is not asked for again`(status: Int, code: CacheError.Code) async throws {
        let (result, tries) = try await self.ask(try .error(status, code, "words"))
        #expect(try self.error(result).code == code)
        #expect(tries == 1)
    }

    @Test func `a missing token is told with the variable to set`() async throws {
        let (result, _) = try await self.ask(try .error(401, .forbidden, "who are you"))
        #expect(try self.error(result).code == .forbidden)
        #expect(try self.error(result).message.contains("TARN_TOKEN"))
    }

    @Test(arguments: [
        FakeAnswer.text("<html>hello</html>"), .text("{\"id\":1}"), .text("<h1>gone</h1>", status: 404),
        FakeAnswer(status: 302, headers: [("location", "http://127.0.0.1:1/")]),
    ])
    func `a server that is none of ours is named with its address`(answer: FakeAnswer) async throws {
        let (result, tries) = try await self.ask(answer)
        let message = try self.error(result).message
        #expect(message.contains("http://127.0.0.1:") && message.contains("is it a Tarn server?"), "\(message)")
        #expect(tries == 1, "a redirect is not followed: the token belongs to this server only")
    }

    @Test func `an answer that is cut off is asked for again, then given up`() async throws {
        let (result, tries) = try await self.ask(FakeAnswer(body: Array("{".utf8), ending: .cutOff))
        #expect(try self.error(result).code == .unavailable)
        #expect(tries == 4)
        let (second, _) = try await self.ask(FakeAnswer(ending: .cutOff), self.entry)
        #expect(try second.get().key == self.key)
    }

    @Test func `a transfer that stands still is ended`() async throws {
        var options = NativeClient.Options.quick
        options.stallLimit = .milliseconds(50)
        options.attempts = 1
        try await FakeServer.run(options: options, { _ in FakeAnswer(ending: .held) }) { client in
            let error = await #expect(throws: CacheError.self) { try await client.entry(self.key, scope: nil) }
            #expect(error?.message.contains("stopped answering") == true, "\(error?.message ?? "")")
        }
    }

    @Test func `nobody there is told with what to check`() async throws {
        let address = try await FakeServer.run({ _ in .text("") }) { $0.server }
        let client = NativeClient(server: address, project: try ProjectName("a/b"), options: .quick)
        let error = await #expect(throws: CacheError.self) { try await client.entry(self.key, scope: nil) }
        await client.shutdown()
        #expect(error?.cause is UnreachableServer)
        #expect(error?.message.contains("refused") == true && error?.message.contains("TARN_URL") == true)
    }

    @Test func `a server without TLS is told from one that is down`() async throws {
        try await FakeServer.run({ _ in .text("") }) { plain in
            let address = try ServerAddress("https://127.0.0.1:\(plain.server.port)")
            let client = NativeClient(server: address, project: try ProjectName("a/b"), options: .quick)
            let error = await #expect(throws: CacheError.self) { try await client.entry(self.key, scope: nil) }
            await client.shutdown()
            #expect(error?.cause is UnreachableServer)
            #expect(error?.message.contains("does not speak TLS") == true, "\(error?.message ?? "")")
        }
    }

    @Test func `a token is sent and never printed`() async throws {
        var options = NativeClient.Options.quick
        options.token = "s3cret"
        options.userAgent = "tarn/test"
        let seen = Mutex<[String]>([])
        try await FakeServer.run(
            options: options,
            { request in
                seen.withLock { $0 = request.headers["authorization"] + request.headers["user-agent"] }
                return try .error(403, .forbidden, "no")
            }
        ) { client in
            let error = await #expect(throws: CacheError.self) { try await client.entry(self.key, scope: nil) }
            #expect(error.map { "\($0)".contains("s3cret") } == false)
        }
        #expect(seen.withLock { $0 } == ["Bearer s3cret", "tarn/test"])
    }
}

import CacheServer
import Foundation
import GatewayKit
import HTTPTypes
import NIOCore
import NativeAPI
import Testing

@Suite struct NetworkAddressTests {
    @Test func `an IPv4 address is the same when it is written as IPv6`() throws {
        let address = try #require(NetworkAddress("192.0.2.1"))
        #expect(NetworkAddress("::ffff:192.0.2.1") == address)
        #expect("\(address)" == "192.0.2.1")
        #expect("\(try #require(NetworkAddress("2001:DB8:0::1")))" == "2001:db8::1")
    }

    @Test(arguments: ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "::g", "1.2.3.4:80", "[::1]", "localhost", "1.2.3.4 "])
    func `what is no address is refused`(text: String) { #expect(NetworkAddress(text) == nil) }

    @Test func `a range holds what has its prefix`() throws {
        let private10 = try #require(AddressRange("10.0.0.0/8"))
        #expect(private10.contains(try #require(NetworkAddress("10.255.0.1"))))
        #expect(!private10.contains(try #require(NetworkAddress("11.0.0.0"))))
        #expect(!private10.contains(try #require(NetworkAddress("a00::"))))
        let documentation = try #require(AddressRange("2001:db8::/32"))
        #expect(documentation.contains(try #require(NetworkAddress("2001:db8:ffff::1"))))
        #expect(!documentation.contains(try #require(NetworkAddress("2001:db9::"))))
        #expect(try #require(AddressRange("0.0.0.0/0")).contains(try #require(NetworkAddress("192.0.2.1"))))
        #expect(!(try #require(AddressRange("0.0.0.0/0")).contains(try #require(NetworkAddress("2001:db8::1")))))
    }

    @Test(arguments: ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "/8", "::/129", "10.0.0.0/8/8", ""])
    func `what is no range is refused`(text: String) { #expect(AddressRange(text) == nil) }

    @Test func `the addresses of one IPv6 host have one origin`() throws {
        let first = try #require(NetworkAddress("2001:db8::1"))
        #expect(first.origin == (try #require(NetworkAddress("2001:db8::ffff:2"))).origin)
        #expect(first.origin != (try #require(NetworkAddress("2001:db8:0:1::1"))).origin)
    }
}

@Suite struct TrustedProxyTests {
    private static func client(_ peer: String, _ fields: [String: [String]]) throws -> String {
        let ranges = ["10.0.0.0/8", "2001:db8::/32"].compactMap { AddressRange($0) }
        let client = TrustedProxies(ranges).client(behind: try #require(NetworkAddress(peer))) { fields[$0] ?? [] }
        return "\(client)"
    }

    @Test(arguments: [
        // The rightmost address that is no proxy's is the client; what is left of it is the client's own writing.
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.9, 192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.9", "192.0.2.1, 10.9.9.9"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1:4711"], "192.0.2.1"),
        ("10.0.0.1", ["[2001:db9::7]:4711"], "2001:db9::7"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["192.0.2.1, nonsense, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [], "10.0.0.1"),
        // Nobody else is believed.
        ("192.0.2.8", ["192.0.2.1"], "192.0.2.8"),
        ("127.0.0.1", ["192.0.2.1"], "127.0.0.1"),
    ])
    func `X-Forwarded-For is read from the right`(peer: String, values: [String], client: String) throws {
        #expect(try Self.client(peer, ["x-forwarded-for": values]) == client)
    }

    @Test(arguments: [
        (["for=192.0.2.1;proto=https"], "192.0.2.1"),
        (["for=198.51.100.9, For=\"[2001:db9::7]:4711\""], "2001:db9::7"),
        (["for=\"open, for=192.0.2.1"], "192.0.2.1"),
        (["for=192.0.2.1, for=_hidden"], "10.0.0.1"),
        (["by=192.0.2.1"], "10.0.0.1"),
    ])
    func `Forwarded is read from the right`(values: [String], client: String) throws {
        #expect(try Self.client("10.0.0.1", ["forwarded": values]) == client)
    }

    @Test func `of two kinds of fields neither is believed`() throws {
        let fields = ["forwarded": ["for=192.0.2.1"], "x-forwarded-for": ["198.51.100.9"]]
        #expect(try Self.client("10.0.0.1", fields) == "10.0.0.1")
    }
}

@Suite struct RateLimiterTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test func `a bucket lets a burst through and then as many as it is filled with`() {
        let limiter = RateLimiter(perSecond: 2, burst: 3)
        let caller = RateLimiter.Caller.credential("a")
        for _ in 0..<3 { #expect(limiter.take(caller, at: Self.start) == nil) }
        #expect(limiter.take(caller, at: Self.start) == .milliseconds(500))
        #expect(limiter.take(.credential("b"), at: Self.start) == nil)
        #expect(limiter.take(caller, at: Self.start + .milliseconds(500)) == nil)
        #expect(limiter.take(caller, at: Self.start + .milliseconds(500)) != nil)
        for _ in 0..<3 { #expect(limiter.take(caller, at: Self.start + .seconds(60)) == nil) }
        #expect(limiter.take(caller, at: Self.start + .seconds(60)) != nil)
    }

    @Test func `a hundred thousand callers need no more memory than the limiter has`() {
        let limiter = RateLimiter(perSecond: 1, burst: 2, capacity: 100)
        for number in 0..<100_000 { _ = limiter.take(.credential("\(number)"), at: Self.start) }
        #expect(limiter.count <= 101)
        // Those who have no bucket share one.
        #expect(limiter.take(.credential("new"), at: Self.start) != nil)
        #expect(limiter.take(.credential("5"), at: Self.start) == nil)
        // Full buckets make room.
        #expect(limiter.take(.credential("new"), at: Self.start + .seconds(9)) == nil)
        #expect(limiter.count < 10)
    }
}

@Suite struct ConnectionCensusTests {
    @Test func `an address may have so many connections, this machine and proxies any number`() throws {
        let proxies = TrustedProxies([try #require(AddressRange("10.0.0.0/8"))])
        let census = ConnectionCensus(limit: 100, limitOfOrigin: 2, proxies: proxies)
        let client = try #require(NetworkAddress("192.0.2.1"))
        #expect(census.enter(client) && census.enter(client) && !census.enter(client))
        #expect(census.enter(NetworkAddress("192.0.2.2")))
        census.leave(client)
        #expect(census.enter(client) && !census.enter(client))
        for text in ["127.0.0.1", "::1", "10.1.1.1"] {
            let address = try #require(NetworkAddress(text))
            for _ in 0..<9 { #expect(census.enter(address)) }
        }
        #expect(!census.isCrowded)
        for _ in 0..<60 { #expect(census.enter(nil)) }
        #expect(census.isCrowded)
    }

    @Test func `connections leave files for what they ask for`() {
        #expect(OpenFiles.connections(1_024, ofFiles: 1_048_576) == 1_024)
        #expect(OpenFiles.connections(1_024, ofFiles: 1_024) == 768)
        #expect(OpenFiles.connections(1_024, ofFiles: 64) == 32)
    }
}

@Suite struct RateLimitTests {
    /// The statuses of so many requests on one connection.
    private static func statuses(_ server: TestServer, _ count: Int, from client: (Int) -> String) async throws -> [Int]
    {
        let requests = (0..<count).map { index in
            "GET /v1/projects/a/b/blobs/00 HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: \(client(index))\r\n"
                + (index == count - 1 ? "Connection: close\r\n\r\n" : "\r\n")
        }
        let port = server.port
        let text = try await TestServer.offload {
            let connection = try RawConnection(port)
            connection.write(requests.joined())
            return String(decoding: try connection.read(), as: UTF8.self)
        }
        return text.components(separatedBy: "HTTP/1.1 ").dropFirst().compactMap { Int($0.prefix(3)) }
    }

    @Test func `clients behind a trusted proxy are counted each`() async throws {
        let settings = ["request-rate": "1", "trusted-proxies": "127.0.0.1"]
        try await TestServer.run(settings) { server in
            let same = try await Self.statuses(server, 60) { _ in "192.0.2.1" }
            #expect(same.prefix(10).allSatisfy { $0 == 400 } && same.contains(429))
            let other = try await server.send("GET", "/healthz", headers: ["X-Forwarded-For": "192.0.2.2"])
            #expect(other.status == 200)
            let each = try await Self.statuses(server, 60) { "198.51.100.\($0)" }
            #expect(each.allSatisfy { $0 == 400 })
        }
    }

    @Test func `whoever is no proxy cannot choose who is counted`() async throws {
        try await TestServer.run(["request-rate": "1"]) { server in
            let statuses = try await Self.statuses(server, 60) { "198.51.100.\($0)" }
            #expect(statuses.prefix(10).allSatisfy { $0 == 400 } && statuses.contains(429))
            let refused = try await server.send("GET", "/healthz")
            #expect(refused.status == 429 && Int(refused.headers["retry-after"] ?? "") ?? 0 >= 1)
            let message = try refused.message(ErrorResponse.self)
            #expect(message.code == "unavailable" && message.message.contains("too many requests"))
        }
    }

    @Test func `wrong credentials are counted by address, and right ones are not held up`() throws {
        var edge = Edge()
        edge.failures = RateLimiter(perSecond: 1.0 / 60, burst: 2)
        edge.credentialName = { $0 == "Bearer right" ? "right" : nil }
        var origin = RequestOrigin()
        origin.address = NetworkAddress("192.0.2.1")
        for _ in 0..<2 {
            #expect(edge.refusal(of: origin, authorization: "Bearer wrong") == nil)
            edge.noteFailure(of: origin)
        }
        #expect(edge.refusal(of: origin, authorization: "Bearer wrong")?.status == .tooManyRequests)
        #expect(edge.refusal(of: origin, authorization: "Bearer right") == nil)
        #expect(edge.refusal(of: origin, authorization: nil) == nil)
        origin.address = NetworkAddress("192.0.2.2")
        #expect(edge.refusal(of: origin, authorization: "Bearer wrong") == nil)
    }
}

import CacheModel
import NIOHTTP1
import Testing

@testable import CacheClient

struct AddressTests {
    @Test(arguments: [
        ("http://127.0.0.1:7878", "127.0.0.1", 7_878), ("http://cache/", "cache", 80),
        ("https://cache.example/tarn//", "cache.example", 443), ("http://[::1]:80", "::1", 80),
    ])
    func `an address gives host and port`(text: String, host: String, port: Int) throws {
        let address = try ServerAddress(text)
        #expect(address.host == host && address.port == port)
        #expect(!address.description.hasSuffix("/"))
    }

    @Test(arguments: [
        "", "cache:7878", "ftp://cache", "http://", "http:///x", "http://host:notaport", "http://host:0",
        "http://h:70000",
        "http://host?x=1", "http://a b", "http://[::1", "http://user:secret@host",
    ])
    func `what is no address is refused with an example`(text: String) throws {
        let error = #expect(throws: CacheError.self) { try ServerAddress(text) }
        let message = try #require(error).message
        #expect(message.contains("http://127.0.0.1:7878"))
        #expect(!message.contains("secret"))
    }

    @Test(arguments: [
        ("deps/a+b=c%2F", "deps%2Fa%2Bb%3Dc%252F"), ("grün 日本", "gr%C3%BCn%20%E6%97%A5%E6%9C%AC"), ("..", "%2E%2E"),
        (".", "%2E"), ("a..b", "a..b"), ("A-z_0~9", "A-z_0~9"), ("?#&;:@,'\"", "%3F%23%26%3B%3A%40%2C%27%22"),
    ])
    func `a key becomes one component of a path`(key: String, encoded: String) {
        #expect(PathEncoding.encode(key) == encoded)
        #expect(PathEncoding.decode(encoded[...]) == key)
    }

    @Test func `every byte of a key survives`() {
        let key = String(String.UnicodeScalarView((0x20...0x17f).compactMap { Unicode.Scalar($0 as UInt32) }))
        #expect(PathEncoding.decode(PathEncoding.encode(key)[...]) == key)
    }

    @Test(arguments: ["%", "%2", "%zz", "%+1", "%ff"])
    func `broken encodings are told from text`(text: String) { #expect(PathEncoding.decode(text[...]) == nil) }

    @Test func `keys arrive as they were sent`() async throws {
        let key = "deps/a+b=c%2F&日本?# ."
        let echo = try await FakeServer.run({ .text("\($0.path)\n\($0.query)") }) { client in
            let query = [("q", key), ("n", nil as String?)].map { (name: $0.0, value: $0.1) }
            let request = NativeRequest(method: .GET, path: "/x/\(PathEncoding.encode(key))", query: query)
            return String(decoding: try await client.collect(request), as: UTF8.self)
        }
        let lines = echo.split(separator: "\n")
        #expect(try PathEncoding.decode(#require(lines.first).dropFirst("/x/".count)) == key)
        #expect(try PathEncoding.decode(#require(lines.last).dropFirst("q=".count)) == key)
    }
}

struct ProxyAddressTests {
    private func find(_ server: String, _ environment: [String: String]) throws -> ProxyAddress? {
        try ProxyAddress.find(for: try ServerAddress(server), in: environment)
    }

    @Test func `each scheme has its variable, and lower case wins`() throws {
        let environment = [
            "HTTP_PROXY": "http://upper:1", "http_proxy": "http://lower:2", "HTTPS_PROXY": "secure:3",
            "ALL_PROXY": "all:4",
        ]
        #expect(try self.find("http://cache", environment)?.host == "lower")
        #expect(try self.find("https://cache", environment)?.port == 3)
        #expect(try self.find("https://cache", ["ALL_PROXY": "socks5://all"])?.kind == .socks)
        #expect(try self.find("http://cache", [:]) == nil)
        #expect(try self.find("http://cache", ["http_proxy": ""]) == nil)
    }

    @Test(arguments: [
        ("http://cache.corp.example:7878", "corp.example"), ("http://cache.corp.example", ".corp.example"),
        ("http://cache", "other, CACHE"), ("http://cache", "*"), ("http://cache:7878", "cache:7878"),
        ("http://10.0.0.1", "10.0.0.1"), ("http://a.b", "*.b"),
    ])
    func `hosts that need no proxy get none`(server: String, exceptions: String) throws {
        #expect(try self.find(server, ["HTTP_PROXY": "p:1", "NO_PROXY": exceptions]) == nil)
    }

    @Test(arguments: [
        ("http://mycorp.example", "corp.example"), ("http://cache:7878", "cache:80"), ("http://cache", ","),
        ("http://cache", "."),
    ])
    func `other hosts get one`(server: String, exceptions: String) throws {
        #expect(try self.find(server, ["HTTP_PROXY": "p:1", "NO_PROXY": exceptions]) != nil)
    }

    @Test(arguments: ["http://localhost:1", "http://127.0.0.1:7878", "http://[::1]:7878"])
    func `this machine is never asked through a proxy`(server: String) throws {
        #expect(try self.find(server, ["HTTP_PROXY": "p:1"]) == nil)
    }

    @Test func `credentials are decoded and stay out of errors`() throws {
        #expect(try self.find("http://c", ["HTTP_PROXY": "http://me:p%40ss@p:1"])?.credentials == "me:p@ss")
        let error = #expect(throws: CacheError.self) { try self.find("http://c", ["HTTP_PROXY": "ftp://me:pass@p"]) }
        let message = try #require(error).message
        #expect(message.contains("HTTP_PROXY") && !message.contains("pass"))
    }
}

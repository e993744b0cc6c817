import CacheModel
import CacheServer
import Foundation
import LayerKernels
import NativeAPI
import Testing

@Suite struct ConnectionTests {
    @Test func `a head that never ends ends the connection`() async throws {
        try await TestServer.run(["header-timeout": "200ms"]) { server in
            let port = server.port
            let answer = try await TestServer.offload {
                let connection = try RawConnection(port)
                connection.write("GET /healthz HTTP/1.1\r\nHost: ta")
                return try connection.read()
            }
            #expect(answer.isEmpty)
        }
    }

    @Test func `a body that never comes ends the connection`() async throws {
        try await TestServer.run(["body-timeout": "200ms"]) { server in
            let port = server.port
            let answer = try await TestServer.offload {
                let connection = try RawConnection(port)
                connection.write("POST /v1/collect HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{")
                return try connection.read()
            }
            #expect(!String(decoding: answer, as: UTF8.self).contains("200 OK"))
        }
    }

    @Test func `pipelined requests are answered in order`() async throws {
        try await TestServer.run { server in
            let port = server.port
            let text = try await TestServer.offload {
                let connection = try RawConnection(port)
                connection.write(
                    "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\nGET /nope HTTP/1.1\r\nHost: t\r\n\r\n"
                        + "GET /readyz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
                )
                return String(decoding: try connection.read(), as: UTF8.self)
            }
            let statuses = text.components(separatedBy: "HTTP/1.1 ").dropFirst().map { $0.prefix(3) }
            #expect(statuses == ["200", "404", "200"])
        }
    }

    @Test func `a body over the limit is refused by its head`() async throws {
        try await TestServer.run(["max-blob-body": "1MiB"]) { server in
            let port = server.port
            let text = try await TestServer.offload {
                let connection = try RawConnection(port)
                connection.write(
                    "POST /v1/projects/a/b/blobs?session=12345678 HTTP/1.1\r\nHost: t\r\n"
                        + "Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n"
                )
                return String(decoding: try connection.read(), as: UTF8.self)
            }
            #expect(text.hasPrefix("HTTP/1.1 413"))
            #expect(text.contains("quota-exceeded") && !text.contains("100 Continue"))
        }
    }

    @Test func `a body that grows over the limit is refused while it arrives`() async throws {
        try await TestServer.run(["max-json-body": "2KiB"]) { server in
            let port = server.port
            let text = try await TestServer.offload {
                let connection = try RawConnection(port)
                connection.write(
                    "POST /v1/projects/a/b/resolve HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n"
                        + String(repeating: " ", count: 4_096)
                )
                return String(decoding: try connection.read(), as: UTF8.self)
            }
            #expect(text.hasPrefix("HTTP/1.1 413"))
        }
    }

    @Test func `an expectation is met when the body is wanted`() async throws {
        try await TestServer.run { server in
            let port = server.port
            let record = Sample.record(Array("hello".utf8))
            let text = try await TestServer.offload {
                let connection = try RawConnection(port)
                connection.write(
                    "POST /v1/projects/a/b/blobs?session=12345678 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
                        + "Expect: 100-continue\r\nContent-Length: \(record.count)\r\n\r\n"
                )
                let interim = try connection.read { $0.count >= 25 }
                #expect(String(decoding: interim, as: UTF8.self).hasPrefix("HTTP/1.1 100 Continue"))
                connection.write(record)
                return String(decoding: try connection.read(), as: UTF8.self)
            }
            #expect(text.contains("200 OK") && text.contains("{\"stored\":1}"))
        }
    }

    @Test func `a request in flight is finished before the server stops`() async throws {
        try await TestServer.run { server in
            let port = server.port
            let record = Sample.record(Array("hello".utf8))
            let (stopped, continuation) = AsyncStream.makeStream(of: Void.self)
            async let begun = TestServer.offload {
                let connection = try RawConnection(port)
                connection.write(
                    "POST /v1/projects/a/b/blobs?session=12345678 HTTP/1.1\r\nHost: t\r\n"
                        + "Expect: 100-continue\r\nContent-Length: \(record.count)\r\n\r\n"
                )
                // The server answers 100 once the request is in its handler.
                _ = try connection.read { $0.count >= 25 }
                continuation.finish()
                return connection
            }
            for await _ in stopped {}
            await server.server.stop()
            let connection = try await begun
            let answer = try await TestServer.offload {
                connection.write(record)
                return String(decoding: try connection.read(), as: UTF8.self)
            }
            #expect(answer.contains("200 OK"))
        }
    }
}

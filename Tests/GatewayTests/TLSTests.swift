import CacheModel
import CacheServer
import Foundation
import GatewayKit
import Logging
import Synchronization
import Testing

@Suite(.serialized) struct TLSTests {
    @Test func `requests are answered over TLS, by the fast path, too`() async throws {
        try await Authority.withFolder { authority in
            try await TestServer.run(authority.settings) { server in
                let port = server.port
                try await TestServer.offload {
                    let bytes = [UInt8]((0..<700_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) })
                    let record = Sample.record(bytes)
                    let client = try TLSClient(port, authority)
                    client.write(
                        Array(
                            ("POST \(Sample.project)/blobs?session=12345678 HTTP/1.1\r\nHost: t\r\n"
                                + "Content-Length: \(record.count)\r\n\r\n").utf8
                        ) + record
                    )
                    let digest = Sample.digest(bytes)
                    #expect(try client.answer().status == 200)
                    for _ in 0..<3 {
                        client.write(Array("GET \(Sample.project)/blobs/\(digest) HTTP/1.1\r\nHost: t\r\n\r\n".utf8))
                        #expect(try client.answer().body == bytes)
                    }
                    client.write(Array("GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n".utf8))
                    let metrics = try client.answer().text
                    #expect(metrics.contains("tarn_fast_requests_total 2"))
                    #expect(metrics.contains("tarn_tls_certificate_expiry_timestamp_seconds 2"))
                    let facts = try Authority.openssl(
                        ["s_client", "-connect", "127.0.0.1:\(port)", "-CAfile", authority.certificate]
                            + ["-alpn", "h2,http/1.1"]
                    )
                    #expect(facts.contains("ALPN protocol: http/1.1") && facts.contains("TLSv1.3"))
                }
            }
        }
    }

    @Test func `versions before TLS 1_2 are refused`() async throws {
        try await Authority.withFolder { authority in
            try await TestServer.run(authority.settings) { server in
                let port = server.port
                let answer = try await TestServer.offload {
                    try Authority.openssl(
                        ["s_client", "-connect", "127.0.0.1:\(port)", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]
                    )
                }
                #expect(answer.contains("alert protocol version"))
            }
        }
    }

    @Test func `a new certificate is shown to new connections while open ones go on`() async throws {
        try await Authority.withFolder { authority in
            try await TestServer.run(authority.settings) { server in
                let port = server.port
                try await TestServer.offload {
                    let get = Array("GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n".utf8)
                    let old = try TLSClient(port, authority)
                    old.write(get)
                    #expect(try old.answer().status == 200)
                    try authority.issue("second")
                    let arguments = ["s_client", "-connect", "127.0.0.1:\(port)", "-CAfile", authority.certificate]
                    // The files are looked at each second; a server that does not reload never ends this.
                    while !(try Authority.openssl(arguments).contains("CN = second")) {}
                    old.write(get)
                    #expect(try old.answer().status == 200)
                }
            }
        }
    }

    @Test func `a pair that cannot be used is logged once, and the old one stays`() async throws {
        try await Authority.withFolder { authority in
            let metrics = Metrics()
            let certificates = try Certificates(
                certificate: authority.path("server.pem"),
                key: authority.path("server.key"),
                metrics: metrics
            )
            func expiry() -> Substring? {
                metrics.render().split(separator: "\n").last { $0.hasPrefix("tarn_tls_certificate_expiry") }
            }
            let first = expiry()
            let lines = Lines()
            let logger = Logger(label: "t") { _ in lines }
            // Only the certificate is new; its key comes a moment later.
            try authority.issue("second", days: 40, installsKey: false)
            certificates.reload(logger)
            certificates.reload(logger)
            #expect(lines.texts.count == 1 && lines.texts[0].contains("the old one stays") && expiry() == first)
            try authority.installKey()
            certificates.reload(logger)
            #expect(lines.texts.count == 2 && expiry() != first)
            try FileManager.default.removeItem(atPath: authority.path("server.key"))
            certificates.reload(logger)
            #expect(lines.texts.count == 3)
        }
    }

    @Test func `plain HTTP and silence on a TLS port get a closed connection`() async throws {
        try await Authority.withFolder { authority in
            try await TestServer.run(authority.settings.merging(["header-timeout": "300ms"]) { $1 }) { server in
                let port = server.port
                let (plain, silent) = try await TestServer.offload {
                    let plain = try RawConnection(port).exchange(Array("GET / HTTP/1.1\r\nHost: t\r\n\r\n".utf8))
                    return (plain, try RawConnection(port).read())
                }
                #expect(!String(decoding: plain, as: UTF8.self).contains("HTTP/1.1"))
                #expect(silent.isEmpty)
            }
        }
    }

    @Test func `a client that takes nothing of an answer over TLS is given up`() async throws {
        try await Authority.withFolder { authority in
            try await TestServer.run(authority.settings.merging(["write-timeout": "300ms"]) { $1 }) { server in
                let port = server.port
                try await TestServer.offload {
                    let bytes = [UInt8](repeating: 7, count: 40_000_000)
                    let record = Sample.record(bytes)
                    let client = try TLSClient(port, authority)
                    let path = "\(Sample.project)/blobs"
                    client.write(
                        Array(
                            ("POST \(path)?session=12345678 HTTP/1.1\r\nHost: t\r\n"
                                + "Content-Length: \(record.count)\r\n\r\n").utf8
                        ) + record
                    )
                    #expect(try client.answer().status == 200)
                    client.write(Array("GET \(path)/\(Sample.digest(bytes)) HTTP/1.1\r\nHost: t\r\n\r\n".utf8))
                    // The program stops reading when nobody reads what it writes.
                    var metrics = ""
                    let other = try TLSClient(port, authority)
                    repeat {
                        other.write(Array("GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n".utf8))
                        metrics = try other.answer().text
                    } while !metrics.contains("tarn_requests_in_flight 1\n")
                    #expect(client.readToEnd() < bytes.count)
                }
            }
        }
    }

    @Test func `half a pair is a wrong configuration`() {
        #expect(throws: ConfigurationProblems.self) {
            try ServerConfiguration(flags: ["data": "/d", "tls-key": "k"], environment: [:]) { _ in "" }
        }
    }
}

/// Keeps the messages.
private final class Lines: LogHandler {
    private let kept = Mutex<[String]>([])
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }
    subscript(metadataKey _: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }
    var texts: [String] { self.kept.withLock { $0 } }

    func log(event: LogEvent) { self.kept.withLock { $0.append(event.message.description) } }
}

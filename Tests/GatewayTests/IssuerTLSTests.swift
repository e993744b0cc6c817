import AccessRules
import CacheModel
import Crypto
import Foundation
import JWTKit
import JobIdentities
import Logging
import Testing

@Suite(.serialized) struct IssuerTLSTests {
    @Test func `keys come over TLS from an issuer with a company's own authority`() async throws {
        try await Authority.withFolder { authority in
            let issuer = try IssuerSite(authority)
            let documents = try IssuerDocuments(authorityFile: authority.certificate)
            let key = try await issuer.keys(documents.fetch).key("ec", at: .current)
            #expect(key.x == issuer.x && key.algorithm == .es256)
        }
    }

    @Test func `an issuer whose authority nobody named has no keys`() async throws {
        try await Authority.withFolder { authority in
            let issuer = try IssuerSite(authority)
            let documents = try IssuerDocuments()
            await #expect(throws: (any Error).self) { try await documents.fetch(issuer.url + "/keys") }
            await #expect(throws: IdentityRefusal.keysUnavailable) {
                try await issuer.keys(documents.fetch).key("ec", at: .current)
            }
        }
    }

    @Test func `a certificate for another host is not the issuer's`() async throws {
        try await Authority.withFolder { authority in
            let issuer = try IssuerSite(authority)
            let documents = try IssuerDocuments(authorityFile: authority.certificate)
            let other = issuer.url.replacing("127.0.0.1", with: "127.0.0.2")
            await #expect(throws: (any Error).self) { try await documents.fetch(other + "/keys") }
            #expect(try await documents.fetch(issuer.url + "/keys").isEmpty == false)
        }
    }

    @Test func `a server does not start with a file that holds no authority`() async throws {
        try await Authority.withFolder { authority in
            let error = await #expect(throws: (any Error).self) {
                try await TestServer.run(["issuer-ca-file": authority.path("ca.key")]) { _ in }
            }
            let message = "\(try #require(error))"
            #expect(message.contains("issuer-ca-file: '\(authority.path("ca.key"))' cannot be read, or holds no"))
        }
    }
}

/// An issuer that openssl serves: not the library that fetches from it.
private final class IssuerSite {
    let url: String
    /// The first coordinate of its one key.
    let x: String
    private let process = Process()

    /// Listens on every address of loopback, with a certificate for 127.0.0.1.
    init(_ authority: Authority) throws {
        let output = Pipe()
        self.process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        self.process.arguments = [
            "openssl", "s_server", "-WWW", "-4", "-accept", "0", "-cert", authority.path("server.pem"),
            "-key", authority.path("server.key"),
        ]
        self.process.currentDirectoryURL = URL(fileURLWithPath: authority.path(""))
        self.process.standardInput = Pipe()
        self.process.standardOutput = output
        self.process.standardError = FileHandle.nullDevice
        try self.process.run()
        var said = ""
        while said.firstMatch(of: /ACCEPT .*:(\d+)\n/) == nil {
            let data = output.fileHandleForReading.availableData
            guard !data.isEmpty else { throw CacheError(.unavailable, "openssl did not listen: \(said)") }
            said += String(decoding: data, as: UTF8.self)
        }
        let port = try #require(said.firstMatch(of: /ACCEPT .*:(\d+)\n/)?.1)
        self.url = "https://127.0.0.1:\(port)"
        let point = P256.Signing.PrivateKey().publicKey.x963Representation
        let coordinates = [point[1..<33], point[33..<65]].map {
            $0.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        }
        self.x = coordinates[0]
        try Self.write(
            #"{"issuer":"\#(self.url)","jwks_uri":"\#(self.url)/keys"}"#,
            to: authority.path(".well-known/openid-configuration")
        )
        try Self.write(
            #"{"keys":[{"kty":"EC","crv":"P-256","kid":"ec","alg":"ES256","x":"\#(coordinates[0])","y":"\#(coordinates[1])"}]}"#,
            to: authority.path("keys")
        )
    }

    // Children inherit the signals that are blocked here, and SIGTERM may be one of them.
    deinit { kill(self.process.processIdentifier, SIGKILL) }

    func keys(_ fetch: @escaping @Sendable (String) async throws -> [UInt8]) -> IssuerKeys {
        IssuerKeys(
            IdentityIssuer(name: "gitlab", provider: .gitLab, url: self.url, audience: "https://cache.test"),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            fetch: fetch
        )
    }

    private static func write(_ text: String, to path: String) throws {
        let file = URL(fileURLWithPath: path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }
}

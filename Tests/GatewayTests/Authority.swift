import CacheModel
import Foundation
import LayerKernels
import Testing

/// A certificate authority in a folder of its own, and what it issued for a server.
struct Authority: Sendable {
    private let folder: String

    static func withFolder(_ body: (Authority) async throws -> Void) async throws {
        let folder = NSTemporaryDirectory() + "tarn-tls-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let authority = Authority(folder: folder)
        try await TestServer.offload {
            try Self.openssl(
                ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
                    + ["-subj", "/CN=authority", "-keyout", authority.path("ca.key"), "-out", authority.certificate]
            )
            try authority.issue("first")
        }
        try await body(authority)
    }

    /// The authority's own certificate.
    var certificate: String { self.path("ca.pem") }

    /// The settings of a server with the certificate.
    var settings: [String: String] {
        ["tls-certificate": self.path("server.pem"), "tls-key": self.path("server.key")]
    }

    func path(_ name: String) -> String { self.folder + "/" + name }

    /// Issues a certificate for this machine and puts it into its place, as a certificate tool does.
    func issue(_ name: String, days: Int = 20, installsKey: Bool = true) throws {
        try Self.openssl(
            ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(name)"]
                + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
                + ["-keyout", self.path("new.key"), "-out", self.path("new.csr")]
        )
        try Self.openssl(
            ["x509", "-req", "-in", self.path("new.csr"), "-CA", self.certificate, "-CAkey", self.path("ca.key")]
                + ["-days", "\(days)", "-copy_extensions", "copy", "-out", self.path("new.pem")]
        )
        try self.install("new.pem", as: "server.pem")
        if installsKey { try self.installKey() }
    }

    func installKey() throws { try self.install("new.key", as: "server.key") }

    private func install(_ source: String, as target: String) throws {
        guard rename(self.path(source), self.path(target)) == 0 else { throw CacheError(.unavailable, "rename") }
    }

    /// Runs openssl without input and gives what it writes.
    @discardableResult
    static func openssl(_ arguments: [String]) throws -> String {
        let (process, output) = (Process(), Pipe())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Sample {
    static func digest(_ bytes: [UInt8]) -> String { "\(SHA256.digest(of: bytes))" }
}

/// A connection that openssl encrypts: not the library that the server uses.
final class TLSClient {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private var pending: [UInt8] = []

    init(_ port: Int, _ authority: Authority) throws {
        signal(SIGPIPE, SIG_IGN)
        self.process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        self.process.arguments = [
            "openssl", "s_client", "-quiet", "-verify_quiet", "-verify_return_error", "-connect", "127.0.0.1:\(port)",
            "-CAfile", authority.certificate, "-verify_ip", "127.0.0.1",
        ]
        self.process.standardInput = self.input
        self.process.standardOutput = self.output
        self.process.standardError = FileHandle.nullDevice
        try self.process.run()
    }

    deinit { self.process.terminate() }

    func write(_ bytes: [UInt8]) { try? self.input.fileHandleForWriting.write(contentsOf: Data(bytes)) }

    /// The next answer; it has to have a length.
    func answer() throws -> Answer {
        let separator = Data("\r\n\r\n".utf8)
        while true {
            if let end = Data(self.pending).range(of: separator)?.upperBound {
                let head = String(decoding: self.pending[..<end], as: UTF8.self).lowercased()
                let start = head.range(of: "content-length: ")?.upperBound
                let length = start.flatMap { Int(head[$0...].prefix { $0.isNumber }) } ?? 0
                if self.pending.count >= end + length {
                    defer { self.pending.removeFirst(end + length) }
                    return try Answer(Array(self.pending[..<(end + length)]))
                }
            }
            let data = self.output.fileHandleForReading.availableData
            guard !data.isEmpty else { throw CacheError(.unavailable, "the connection ended") }
            self.pending += data
        }
    }

    /// How many bytes still come.
    func readToEnd() -> Int {
        var count = self.pending.count
        while case let data = self.output.fileHandleForReading.availableData, !data.isEmpty { count += data.count }
        return count
    }
}

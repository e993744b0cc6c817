import CacheServer
import Foundation
import Glibc
import Testing

/// The program itself, as people start it.
@Suite(.serialized) struct ProcessTests {
    private static let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("tarnd")

    /// Blocking calls on a thread of their own: the test's pool has few.
    private static func offload(_ work: @escaping @Sendable () throws -> Void) async throws {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Swift.Result { try work() }) }.start()
        }
    }

    private struct Result {
        var code: Int32
        var output: String
        var errors: String
    }

    private func run(_ arguments: [String]) throws -> Result {
        let (process, output, errors) = (Process(), Pipe(), Pipe())
        process.executableURL = Self.program
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        let problems = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Result(
            code: process.terminationStatus,
            output: String(decoding: text, as: UTF8.self),
            errors: String(decoding: problems, as: UTF8.self)
        )
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "tarn-process-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    /// Starts a server and returns once it listens.
    private func start(_ folder: String) throws -> (Process, FileHandle) {
        let (process, errors) = (Process(), Pipe())
        process.executableURL = Self.program
        process.arguments = ["--data", folder, "--listen", "127.0.0.1:0", "--port-file", folder + ".port"]
        process.standardError = errors
        try process.run()
        let handle = errors.fileHandleForReading
        var log = ""
        while !log.contains("\"listening\"") {
            let data = handle.availableData
            guard !data.isEmpty else { break }
            log += String(decoding: data, as: UTF8.self)
        }
        #expect(log.contains("\"listening\""), "\(log)")
        return (process, handle)
    }

    @Test func `the help has every setting and what it means`() async throws {
        try await Self.offload {
            let help = try self.run(["--help"])
            #expect(help.code == 0)
            let words = help.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            for setting in Setting.all {
                #expect(words.contains("--\(setting.name) "), "\(setting.name)")
                #expect(words.contains(setting.help), "\(setting.name)")
            }
        }
    }

    @Test func `a folder whose very first start was killed is used`() async throws {
        try await Self.offload {
            try self.withFolder { folder in
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                try Data().write(to: URL(filePath: folder + "/tarn.json.77.tmp"))
                let (server, _) = try self.start(folder)
                server.terminate()
                server.waitUntilExit()
                #expect(!FileManager.default.fileExists(atPath: folder + "/tarn.json.77.tmp"))
            }
        }
    }

    @Test func `tokens are made, listed and revoked while no server has the folder`() async throws {
        try await Self.offload {
            try self.withFolder { folder in
                let exposed = ["--data", folder, "--listen", "0.0.0.0:0"]
                let refused = try self.run(exposed)
                #expect(refused.code == 2 && refused.errors.contains("tarnd token create"), "\(refused.errors)")
                #expect(try self.run(["token"]).code == 2)
                #expect(try self.run(["token", "create", "--data", folder, "--name", "ci"]).code == 2)
                #expect(try self.run(["token", "create", "--data", folder, "--role", "king"]).code == 2)
                let made = try self.run(["token", "create", "--data", folder, "--role", "admin", "--name", "ann"])
                #expect(made.code == 0 && made.output.contains("export TARN_TOKEN=tarn_"), "\(made.errors)")
                let id = try #require(made.output.split(separator: " ").dropFirst().first.map(String.init))
                let listed = try self.run(["token", "list", "--data", folder])
                #expect(listed.output.contains(id) && listed.output.contains("active"))
                let (server, log) = try self.start(folder)
                let locked = try self.run(["token", "list", "--data", folder])
                #expect(locked.code == 1 && locked.errors.contains("cachectl token"), "\(locked.errors)")
                server.terminate()
                _ = log.readDataToEndOfFile()
                server.waitUntilExit()
                #expect(try self.run(["token", "revoke", "--data", folder, id]).code == 0)
                #expect(try self.run(["token", "list", "--data", folder]).output.contains("revoked"))
                #expect(try self.run(["token", "revoke", "--data", folder, "nobodysToken"]).code == 1)
            }
        }
    }

    @Test func `a wrong flag, value or nothing at all is a usage error`() async throws {
        try await Self.offload {
            #expect(try self.run([]).code == 2)
            #expect(try self.run(["--nope"]).code == 2)
            let wrong = try self.run(["--data", "/nope", "--max-size", "lots", "--ttl", "x"])
            #expect(wrong.code == 2 && wrong.errors.contains("max-size") && wrong.errors.contains("ttl"))
            #expect(try self.run(["--version"]).output.hasPrefix(TarnServer.version))
        }
    }

    @Test func `SIGTERM stops the server, and a second server is told who has the folder`() async throws {
        try await Self.offload {
            try self.withFolder { folder in
                let (server, errors) = try self.start(folder)
                defer { try? FileManager.default.removeItem(atPath: folder + ".port") }
                let port = try String(contentsOfFile: folder + ".port", encoding: .utf8)
                #expect(Int(port.dropLast()) ?? 0 > 0)
                let second = try self.run(["--data", folder, "--listen", "127.0.0.1:0"])
                #expect(second.code == 1)
                #expect(second.errors.contains("process id \(server.processIdentifier)"), "\(second.errors)")
                #expect(try self.run(["check", "--data", folder]).code == 2)
                server.terminate()
                _ = errors.readDataToEndOfFile()
                server.waitUntilExit()
                #expect(server.terminationStatus == 0 && server.terminationReason == .exit)
                let log = try? FileManager.default.attributesOfItem(atPath: folder + "/catalog.sqlite-wal")
                #expect(log?[.size] as? Int ?? 0 == 0)
                let check = try self.run(["check", "--data", folder, "--read-data", "--json"])
                #expect(check.code == 0 && check.output.contains("\"problems\":[]"), "\(check.output)\(check.errors)")
            }
        }
    }

    @Test func `a server that may open few files takes fewer connections, and lives on`() async throws {
        try await Self.offload {
            try self.withFolder { folder in
                let (server, errors) = (Process(), Pipe())
                server.executableURL = URL(fileURLWithPath: "/bin/sh")
                let flags = "--data '\(folder)' --listen 127.0.0.1:0 --header-timeout 1s"
                server.arguments = ["-c", "ulimit -n 64; exec '\(Self.program.path)' \(flags)"]
                server.standardError = errors
                try server.run()
                var log = ""
                while !log.contains("\"listening\"") {
                    let data = errors.fileHandleForReading.availableData
                    guard !data.isEmpty else { break }
                    log += String(decoding: data, as: UTF8.self)
                }
                #expect(log.contains("fewer connections than max-connections") && log.contains("\"open.files\":\"64\""))
                let address = try #require(log.firstMatch(of: /"address":"127\.0\.0\.1:(\d+)"/)?.1)
                let port = try #require(UInt16(address))
                let idle = (0..<100).map { _ in Self.connect(port) }
                defer { for descriptor in idle { close(descriptor) } }
                // The idle ones are given up, and then it is this one's turn.
                let last = Self.connect(port)
                defer { close(last) }
                _ = send(last, "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n", 35, Int32(MSG_NOSIGNAL))
                var answer = [UInt8](repeating: 0, count: 15)
                #expect(recv(last, &answer, 15, Int32(MSG_WAITALL)) == 15)
                #expect(String(decoding: answer, as: UTF8.self) == "HTTP/1.1 200 OK")
                server.terminate()
                server.waitUntilExit()
                #expect(server.terminationStatus == 0 && server.terminationReason == .exit)
            }
        }
    }

    private static func connect(_ port: UInt16) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return descriptor
    }

    @Test func `a stray file is found, and repaired on demand`() async throws {
        try await Self.offload {
            try self.withFolder { folder in
                let (server, log) = try self.start(folder)
                server.terminate()
                _ = log.readDataToEndOfFile()
                server.waitUntilExit()
                try? FileManager.default.removeItem(atPath: folder + ".port")
                let name = String(repeating: "ab", count: 32)
                let place = folder + "/blobs/ab/ab"
                try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
                try "stray".write(toFile: place + "/" + name, atomically: false, encoding: .utf8)
                #expect(try self.run(["check", "--data", folder]).code == 2)
                #expect(try self.run(["check", "--data", folder, "--repair"]).code == 1)
                #expect(try self.run(["check", "--data", folder]).code == 0)
            }
        }
    }
}

import CacheModel
import Foundation
import NativeAPI
import Testing

/// Requests of `Tests/Corpora/hostile-requests.tsv`: each is answered as itself, or the connection ends with it.
@Suite struct HostileRequestTests {
    private struct Vector: Sendable {
        var name: String
        var statuses: [Int]
        var bytes: [UInt8]

        init(_ line: Substring) throws {
            let parts = line.split(separator: "\t", maxSplits: 2)
            guard parts.count == 3 else { throw CacheError(.invalidRequest, "no vector: \(line)") }
            self.name = String(parts[0])
            self.statuses = parts[1].split(separator: " ").compactMap { Int($0) }
            self.bytes = Self.bytes(parts[2])
        }

        /// Undoes `\r`, `\n`, `\\`, `\x00` and `{a*100}`.
        private static func bytes(_ text: Substring) -> [UInt8] {
            var (rest, bytes) = (text.utf8[...], [UInt8]())
            while let byte = rest.popFirst() {
                if byte == UInt8(ascii: "{"), let run = Self.run(rest) {
                    bytes += [UInt8](repeating: run.byte, count: run.count)
                    rest = rest.dropFirst(run.length)
                } else if byte == UInt8(ascii: "\\"), let escape = rest.popFirst() {
                    switch escape {
                    case UInt8(ascii: "r"): bytes.append(13)
                    case UInt8(ascii: "n"): bytes.append(10)
                    case UInt8(ascii: "x"):
                        bytes.append(UInt8(String(Substring(rest.prefix(2))), radix: 16) ?? 0)
                        rest = rest.dropFirst(2)
                    default: bytes.append(escape)
                    }
                } else {
                    bytes.append(byte)
                }
            }
            return bytes
        }

        private static func run(_ text: Substring.UTF8View) -> (byte: UInt8, count: Int, length: Int)? {
            guard let byte = text.first, text.dropFirst().first == UInt8(ascii: "*"),
                let end = text.firstIndex(of: UInt8(ascii: "}")),
                let count = Int(Substring(text.dropFirst(2)[..<end]))
            else { return nil }
            return (byte, count, text.distance(from: text.startIndex, to: end) + 1)
        }
    }

    private static func vectors() throws -> [Vector] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let file = folder.appendingPathComponent("Corpora/hostile-requests.tsv")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter { !$0.hasPrefix("#") }
            .map { try Vector($0) }
    }

    /// The statuses of all answers, taken apart by their lengths; what is no answer is -1.
    private static func statuses(_ bytes: [UInt8], isHead: Bool) -> [Int] {
        var (rest, statuses) = (Data(bytes), [Int]())
        while !rest.isEmpty {
            guard let end = rest.range(of: Data("\r\n\r\n".utf8)) else { return statuses + [-1] }
            let head = String(decoding: rest[..<end.lowerBound], as: UTF8.self).lowercased()
            guard head.hasPrefix("http/1.1 "), let status = Int(head.dropFirst(9).prefix(3)) else {
                return statuses + [-1]
            }
            let length = head.range(of: "content-length: ").flatMap {
                Int(head[$0.upperBound...].prefix { $0.isNumber })
            }
            let skipsBody = isHead && statuses.isEmpty
            statuses.append(status)
            rest = Data(rest[end.upperBound...].dropFirst(skipsBody ? 0 : length ?? 0))
        }
        return statuses
    }

    @Test func `each hostile request is answered as itself or ends the connection`() async throws {
        let vectors = try Self.vectors()
        #expect(vectors.count > 100)
        try await TestServer.run { server in
            let port = server.port
            try await TestServer.offload {
                let marker = Array("GET /marker HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".utf8)
                for vector in vectors {
                    let answer = try RawConnection(port).exchange(vector.bytes + marker)
                    let statuses = Self.statuses(answer, isHead: vector.bytes.starts(with: Array("HEAD".utf8)))
                    #expect(statuses == vector.statuses, "\(vector.name)")
                }
            }
        }
    }

    @Test func `a refusal says what is wrong, and the same in the log`() async throws {
        try await TestServer.run { server in
            let port = server.port
            let answer = try await TestServer.offload {
                try Answer(RawConnection(port).exchange(Array("GET / HTTP/1.1\r\n\r\n".utf8)))
            }
            #expect(answer.status == 400 && answer.headers["connection"] == "close")
            let message = try answer.message(ErrorResponse.self)
            #expect(message.code == "invalid-request" && message.message.contains("Host"))
            #expect(message.requestID == answer.headers["tarn-request-id"])
        }
    }

    @Test func `a flood of pipelined requests ends the connection and nothing else`() async throws {
        try await TestServer.run { server in
            let port = server.port
            let flood = String(repeating: "GET /readyz HTTP/1.1\r\nHost: t\r\n\r\n", count: 20_000)
            _ = try await TestServer.offload { try RawConnection(port).exchange(Array(flood.utf8)) }
            #expect(try await server.send("GET", "/healthz").status == 200)
        }
    }

    @Test(arguments: ["[", "{\"a\":"])
    func `deep JSON is refused`(opening: String) async throws {
        try await TestServer.run { server in
            let body = Array(String(repeating: opening, count: 100_000).utf8)
            let answer = try await server.send("POST", "\(Sample.project)/resolve", body)
            #expect(answer.status == 400)
            #expect(try answer.message(ErrorResponse.self).message.contains("32 levels"))
            #expect(try await server.send("GET", "/healthz").status == 200)
        }
    }
}

import CacheModel
import CacheServer
import Foundation
import LayerKernels
import NativeAPI
import Testing

@Suite struct BlobRouteTests {
    private static let blobs = Sample.project + "/blobs/"

    /// Bytes that do not compress.
    private func noise(_ size: Int) -> [UInt8] {
        var state: UInt64 = 0x1234_5678
        return (0..<size).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
    }

    private func upload(_ bytes: [UInt8], to server: TestServer) async throws -> String {
        let answer = try await server.send(
            "POST",
            Sample.project + "/blobs?session=" + Sample.session,
            Sample.record(bytes)
        )
        #expect(answer.status == 200, "\(answer.text)")
        return Self.blobs + "\(SHA256.digest(of: bytes))"
    }

    private func decode(_ frame: [UInt8], size: Int) throws -> [UInt8] {
        var codec = FrameCodec()
        var result: Result<[UInt8], FrameError> = .success([])
        frame.withUnsafeBytes { frame in
            do throws(FrameError) {
                result = .success(try codec.decompress(frame, size: size))
            } catch {
                result = .failure(error)
            }
        }
        return try result.get()
    }

    /// How many requests were answered on the event loop.
    private func fastCount(_ server: TestServer) async throws -> Int {
        try await self.metric("tarn_fast_requests_total", server)
    }

    private func metric(_ name: String, _ server: TestServer) async throws -> Int {
        let text = try await server.send("GET", "/metrics").text
        let line = try #require(text.components(separatedBy: "\n").first { $0.hasPrefix(name + " ") })
        return try #require(line.split(separator: " ").last.flatMap { Int($0) })
    }

    @Test func `a blob comes as bytes or as the stored frame`() async throws {
        try await TestServer.run { server in
            let bytes = [UInt8](repeating: 7, count: 200_000)
            let path = try await self.upload(bytes, to: server)
            let digest = "\(SHA256.digest(of: bytes))"
            let plain = try await server.send("GET", path)
            #expect(plain.status == 200 && plain.body == bytes)
            #expect(plain.headers["etag"] == "\"\(digest)\"")
            #expect(plain.headers["content-length"] == "200000")
            #expect(plain.headers["content-encoding"] == nil)
            #expect(plain.headers["vary"] == "Accept-Encoding")
            #expect(plain.headers["cache-control"]?.contains("immutable") == true)
            let frame = try await server.send("GET", path, headers: ["Accept-Encoding": "gzip, zstd;q=0.5"])
            #expect(frame.headers["content-encoding"] == "zstd" && frame.headers["etag"] == "W/\"\(digest)\"")
            #expect(try self.decode(frame.body, size: bytes.count) == bytes)
            let refused = try await server.send("GET", path, headers: ["Accept-Encoding": "zstd;q=0"])
            #expect(refused.headers["content-encoding"] == nil && refused.body == bytes)
            let head = try await server.send("HEAD", path)
            #expect(head.status == 200 && head.body.isEmpty && head.headers["content-length"] == "200000")
            for tag in ["\"\(digest)\"", "W/\"\(digest)\"", "\"x\", \"\(digest)\"", "*"] {
                let known = try await server.send("GET", path, headers: ["If-None-Match": tag])
                #expect(known.status == 304 && known.body.isEmpty && known.headers["etag"] == "\"\(digest)\"")
            }
            #expect(try await server.send("GET", path, headers: ["If-None-Match": "\"x\""]).status == 200)
        }
    }

    @Test func `a blob is found by the project that sees it and by nobody else`() async throws {
        try await TestServer.run { server in
            let path = try await self.upload(Array("hello".utf8), to: server)
            #expect(try await server.send("GET", path).text == "hello")
            let other = path.replacingOccurrences(of: "/shop/", with: "/other/")
            #expect(try await server.send("GET", other).status == 404)
            #expect(try await server.send("GET", path.dropLast() + "g").status == 400)
            #expect(try await server.send("GET", path.dropLast() + "").status == 400)
            let fetch = try await server.send("GET", Sample.project + "/blobs/fetch")
            #expect(fetch.status == 405 && fetch.headers["allow"] == "POST")
        }
    }

    @Test(arguments: [10, 60_000, 1_048_576, 9_000_000])
    func `an answer from the event loop is the answer of the router`(size: Int) async throws {
        try await TestServer.run { server in
            let bytes = self.noise(size)
            let path = try await self.upload(bytes, to: server)
            let port = server.port
            var sent = ["GET": 0, "HEAD": 0]
            for (method, coding) in [("GET", "zstd"), ("HEAD", "zstd"), ("GET", "identity"), ("HEAD", "identity")] {
                let request = "\(method) \(path) HTTP/1.1\r\nHost: t\r\nAccept-Encoding: \(coding)\r\n\r\n"
                let slow = try await server.send(method, path, headers: ["Accept-Encoding": coding])
                if coding == "identity", method == "GET" { #expect(slow.body == bytes) }
                sent[method, default: 0] += 1
                // Large bytes that have to be decoded are never hot.
                guard coding == "zstd" || size <= 65_536 else { continue }
                let connection = try RawConnection(port)
                var fast: Answer?
                // What is hot cools down in a second, and a busy machine may take longer: two requests, one right
                // behind the other, until the second was answered on the event loop.
                for _ in 0..<100 where fast == nil {
                    let before = try await self.fastCount(server)
                    let answer = try await TestServer.offload {
                        _ = try connection.answer(to: request)
                        return try connection.answer(to: request)
                    }
                    sent[method, default: 0] += 2
                    if try await self.fastCount(server) > before { fast = answer }
                }
                let again = try #require(fast, "no answer came from the event loop")
                #expect(again.status == slow.status && again.body == slow.body)
                #expect(again.headers["tarn-request-id"]?.count == slow.headers["tarn-request-id"]?.count)
                #expect(again.headers["tarn-request-id"] != slow.headers["tarn-request-id"])
                #expect(again.headers["date"]?.count == slow.headers["date"]?.count)
                let volatile = ["tarn-request-id", "date", "connection"]
                #expect(
                    again.headers.filter { !volatile.contains($0.key) }
                        == slow.headers.filter { !volatile.contains($0.key) }
                )
            }
            let text = try await server.send("GET", "/metrics").text
            for (method, count) in sent {
                let series = "method=\"\(method)\",route=\"/v1/projects/{owner}/{name}/blobs/{digest}\",code=\"200\""
                #expect(text.contains("tarn_requests_total{\(series)} \(count)\n"), "\(text)")
            }
            #expect(text.contains("tarn_requests_in_flight 1\n"))
        }
    }

    @Test func `pipelined answers keep their order wherever they come from`() async throws {
        try await TestServer.run { server in
            let (large, small) = (self.noise(6_000_000), Array("hello".utf8))
            let (largePath, smallPath) = (
                try await self.upload(large, to: server), try await self.upload(small, to: server)
            )
            let port = server.port
            @Sendable func request(_ path: String) -> String {
                "GET \(path) HTTP/1.1\r\nHost: t\r\nAccept-Encoding: zstd\r\n\r\n"
            }
            let paths = [
                smallPath, largePath, largePath, smallPath, "/healthz", largePath, "/nope", smallPath, smallPath,
            ]
            let answers = try await TestServer.offload {
                let connection = try RawConnection(port)
                for path in [largePath, smallPath] { _ = try connection.answer(to: request(path)) }
                return try connection.answers(to: paths.map { request($0) }.joined(), count: paths.count)
            }
            let sizes = answers.map(\.body.count)
            #expect(answers.map(\.status) == [200, 200, 200, 200, 200, 200, 404, 200, 200])
            for (index, path) in paths.enumerated() where path == largePath {
                #expect(try self.decode(answers[index].body, size: large.count) == large)
            }
            #expect(sizes[0] == sizes[3] && sizes[3] == sizes[7] && sizes[7] == sizes[8] && sizes[0] < 100)
            #expect(answers[4].text.contains("\"status\":\"ok\""))
        }
    }

    @Test func `what was deleted is not found on an open connection either`() async throws {
        try await TestServer.run { server in
            let path = try await self.upload(Array("hello".utf8), to: server)
            let port = server.port
            let request = "GET \(path) HTTP/1.1\r\nHost: t\r\n\r\n"
            let connection = try RawConnection(port)
            let statuses = try await TestServer.offload {
                try (0..<3).map { _ in try connection.answer(to: request).status }
            }
            #expect(statuses == [200, 200, 200])
            let ended = try await server.send("DELETE", Sample.project + "/sessions/" + Sample.session)
            #expect(ended.status == 204)
            #expect(try await TestServer.offload { try connection.answer(to: request).status } == 404)
        }
    }

    /// Asks for a blob that is hot, and reads no more than the first bytes of the answer; returns the body's size.
    private func startDownload(_ path: String, on connection: RawConnection) async throws -> Int {
        let request = "GET \(path) HTTP/1.1\r\nHost: t\r\nAccept-Encoding: zstd\r\n\r\n"
        return try await TestServer.offload {
            let size = try connection.answer(to: request).body.count
            _ = try connection.answer(to: request.replacingOccurrences(of: "GET", with: "HEAD"))
            connection.write(request)
            _ = try connection.read { !$0.isEmpty }
            return size
        }
    }

    @Test func `an answer on its way is finished before the server stops`() async throws {
        try await TestServer.run { server in
            let bytes = self.noise(40_000_000)
            let path = try await self.upload(bytes, to: server)
            let connection = try RawConnection(server.port)
            let size = try await self.startDownload(path, on: connection)
            #expect(try await self.metric("tarn_requests_in_flight", server) == 2)
            await server.server.stop()
            let rest = try await TestServer.offload { try connection.read() }
            // Up to one buffer was read before.
            #expect(rest.count > size - 65_536)
        }
    }

    @Test func `a client that takes nothing loses its connection and keeps no file open`() async throws {
        try await TestServer.run(["write-timeout": "200ms"]) { server in
            let bytes = self.noise(40_000_000)
            let path = try await self.upload(bytes, to: server)
            let connection = try RawConnection(server.port)
            let size = try await self.startDownload(path, on: connection)
            // The request for the metrics is one, too.
            while try await self.metric("tarn_requests_in_flight", server) > 1 {}
            let rest = try await TestServer.offload { try connection.read() }
            #expect(rest.count < size)
            while self.openFiles(named: "\(SHA256.digest(of: bytes))") > 0 {
                _ = try await server.send("GET", "/healthz")
            }
        }
    }

    @Test func `a head without a length has no body`() async throws {
        try await TestServer.run { server in
            _ = try await server.send("PUT", Sample.project + "/entries/v1/layers/0.tar", Sample.tar())
            let port = server.port
            for name in ["0.tar", "0.tar.gz", "0.tar.zst"] {
                let path = Sample.project + "/entries/v1/layers/" + name
                let whole = try await server.send("GET", path)
                let (head, next) = try await TestServer.offload {
                    let connection = try RawConnection(port)
                    connection.write("HEAD \(path) HTTP/1.1\r\nHost: t\r\n\r\n")
                    let head = try connection.read { $0.suffix(4) == Array("\r\n\r\n".utf8)[...] }
                    connection.write("GET /healthz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
                    return (try Answer(head), try connection.read())
                }
                #expect(head.status == 200)
                #expect(head.headers["content-length"] == whole.headers["content-length"], "\(name)")
                #expect(head.headers["content-length"] != "0")
                #expect(String(decoding: next, as: UTF8.self).hasPrefix("HTTP/1.1 200"), "\(name)")
            }
        }
    }

    private func openFiles(named digest: String) -> Int {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        return files.count { file in
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + file)
            return target?.contains(digest) == true
        }
    }
}

extension RawConnection {
    /// Sends a request and reads its answer; the connection stays open.
    func answer(to request: String) throws -> Answer {
        let answers = try self.answers(to: request, count: 1)
        return answers[0]
    }

    /// Sends requests at once and reads their answers; the connection stays open.
    func answers(to requests: String, count: Int) throws -> [Answer] {
        self.write(requests)
        let isHead = requests.hasPrefix("HEAD")
        let separator = Data("\r\n\r\n".utf8)
        var (answers, start, needed) = ([Answer](), 0, 1)
        while answers.count < count {
            // Not more than the body's end: looking for heads again after each piece would take for ever.
            let bytes = try self.buffered(atLeast: needed)
            guard let end = bytes.range(of: separator, in: start..<bytes.count)?.upperBound else {
                needed = bytes.count + 1
                continue
            }
            let head = try Answer(Array(bytes[start..<end]))
            let size = isHead ? 0 : head.headers["content-length"].flatMap { Int($0) } ?? 0
            guard bytes.count >= end + size else {
                needed = end + size
                continue
            }
            answers.append(try Answer(Array(bytes[start..<(end + size)])))
            (start, needed) = (end + size, end + size)
        }
        self.consume(start)
        return answers
    }
}

import CacheModel
import CacheServer
import Foundation
import LayerFormat
import LayerKernels
import Logging
import NativeGateway
import NativeAPI
import Synchronization
import Testing

/// A whole server on a loopback port, with SQLite and files in a folder of its own.
struct TestServer: Sendable {
    let port: Int
    let server: TarnServer
    let folder: String

    static func run(
        _ settings: [String: String] = [:],
        access: AccessSetup = AccessSetup(),
        _ body: (TestServer) async throws -> Void
    ) async throws {
        let folder = NSTemporaryDirectory() + "tarn-test-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let flags = [
            "data": folder, "listen": "127.0.0.1:0", "durability": "relaxed", "ballast": "0", "scrub-rate": "0",
        ].merging(settings) { $1 }
        var configuration = try ServerConfiguration(flags: flags, environment: [:]) { _ in "" }
        // A busy machine may need more than a second between two requests.
        configuration.limits.hotLifetime = .seconds(20)
        let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
        let server = try await TarnServer(
            configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            access: access,
            signals: false
        ) {
            continuation.yield($0)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await server.run()
                continuation.finish()
            }
            guard let port = await ports.first(where: { _ in true }) else { throw CacheError(.unavailable, "no port") }
            do {
                try await body(TestServer(port: port, server: server, folder: folder))
            } catch {
                await server.stop()
                throw error
            }
            await server.stop()
            try await group.waitForAll()
        }
    }

    /// Sends one request on a connection of its own and reads the whole answer.
    func send(
        _ method: String,
        _ path: String,
        _ body: [UInt8] = [],
        headers: [String: String] = [:]
    ) async throws -> Answer {
        var head = "\(method) \(path) HTTP/1.1\r\nHost: tarn\r\nConnection: close\r\n"
        if !body.isEmpty || method == "POST" || method == "PUT" { head += "Content-Length: \(body.count)\r\n" }
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        let request = Array((head + "\r\n").utf8) + body
        let port = self.port
        return try await Self.offload { try Answer(RawConnection(port).exchange(request)) }
    }

    func post(
        _ path: String,
        _ message: some Encodable,
        headers: [String: String] = [:]
    ) async throws -> Answer {
        try await self.send("POST", path, NativeJSON.encode(message), headers: headers)
    }

    /// Changes the last byte of a blob's file.
    func damage(_ digest: Digest) throws {
        let hex = "\(digest)"
        let path = "\(self.folder)/blobs/\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex)"
        let file = FileManager.default.fileExists(atPath: path) ? path : path + ".zst"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        bytes[bytes.count - 1] ^= 0xff
        try bytes.write(to: URL(fileURLWithPath: file))
    }

    /// Blocking socket calls on a thread of their own.
    static func offload<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Result { try work() }) }.start()
        }
    }
}

/// A socket that is read with a deadline: a server that hangs fails the test.
final class RawConnection: Sendable {
    private let descriptor: Int32
    private let pending = Mutex(Data())

    init(_ port: Int) throws {
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(self.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw CacheError(.unavailable, "connect: \(errno)") }
        var limit = timeval(tv_sec: 180, tv_usec: 0)
        setsockopt(self.descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(self.descriptor) }

    func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes {
                Foundation.send(self.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { return }
            rest = rest.dropFirst(sent)
        }
    }

    func write(_ text: String) { self.write(Array(text.utf8)) }

    /// Reads until `isEnough` or the end; throws if neither comes in 30 s.
    func read(until isEnough: ([UInt8]) -> Bool = { _ in false }) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !isEnough(bytes) {
            let count = recv(self.descriptor, &buffer, buffer.count, 0)
            if count == 0 || (count < 0 && errno == ECONNRESET) { break }
            guard count > 0 else {
                throw CacheError(.unavailable, "recv: \(errno), so far \(String(decoding: bytes, as: UTF8.self))")
            }
            bytes += buffer[..<count]
        }
        return bytes
    }

    /// Everything that was read and not consumed, at least so many bytes; throws if they do not come.
    func buffered(atLeast size: Int) throws -> Data {
        var bytes = self.pending.withLock { $0 }
        var buffer = [UInt8](repeating: 0, count: 1_048_576)
        while bytes.count < size {
            let count = recv(self.descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { throw CacheError(.unavailable, "the answer ends after \(bytes.count) bytes") }
            bytes += buffer[..<count]
        }
        self.pending.withLock { $0 = bytes }
        return bytes
    }

    /// Forgets the first bytes of what was read.
    func consume(_ count: Int) { self.pending.withLock { $0 = Data($0.dropFirst(count)) } }

    func exchange(_ bytes: [UInt8]) throws -> [UInt8] {
        self.write(bytes)
        return try self.read()
    }
}

/// An answer, taken apart.
struct Answer: Sendable {
    var status: Int
    var headers: [String: String]
    var body: [UInt8]

    init(_ bytes: [UInt8]) throws {
        let separator = Array("\r\n\r\n".utf8)
        guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: separator) }) else {
            throw CacheError(.invalidRequest, "no head in \(bytes.count) bytes")
        }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).components(separatedBy: "\r\n")
        self.status = Int(lines[0].split(separator: " ")[1]) ?? 0
        self.headers = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            self.headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        self.body = Array(bytes[(end + 4)...])
        if self.headers["transfer-encoding"] == "chunked" { self.body = Self.unchunk(self.body) }
    }

    private static func unchunk(_ bytes: [UInt8]) -> [UInt8] {
        var (rest, body) = (bytes[...], [UInt8]())
        while let newline = rest.firstIndex(of: 10) {
            let text = String(decoding: rest[..<(newline - 1)], as: UTF8.self)
            guard let size = Int(text, radix: 16), size > 0 else { break }
            body += rest[(newline + 1)..<(newline + 1 + size)]
            rest = rest[(newline + 3 + size)...]
        }
        return body
    }

    func message<Message: Decodable>(_ type: Message.Type = Message.self) throws -> Message {
        try NativeJSON.decode(type, from: self.body)
    }

    var text: String { String(decoding: self.body, as: UTF8.self) }
}

/// The smallest tree there is: one file.
enum Sample {
    static let project = "/v1/projects/acme/shop"
    static let session = "session-1"
    /// A layer of which nothing was uploaded.
    static let absentLayer: Layer = {
        let digest = SHA256.digest(of: [1])
        return Layer(
            path: "venv",
            anchor: .workdir,
            treeDigest: digest,
            recipe: digest,
            stamps: digest,
            size: 1,
            memberCount: 1,
            chunkCount: 1
        )
    }()

    static func record(_ bytes: [UInt8], digest: Digest? = nil) -> [UInt8] {
        let header = BlobRecordCoding.Header(
            digest: digest ?? SHA256.digest(of: bytes),
            encoding: 0,
            size: bytes.count,
            storedSize: bytes.count
        )
        return header.bytes + bytes
    }

    /// A ustar of one file `hello.txt`.
    static func tar(_ content: String = "hello, world\n", name: String = "hello.txt") -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, _ offset: Int) {
            for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
        }
        put(name, 0)
        put("0000644\0", 100)
        put("0000000\0", 108)
        put("0000000\0", 116)
        let size = String(content.utf8.count, radix: 8)
        put(String(repeating: "0", count: 11 - size.count) + size + "\0", 124)
        put("00000000000\0", 136)
        put("        ", 148)
        put("0", 156)
        put("ustar\u{0}00", 257)
        let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
        put(String(repeating: "0", count: 6 - sum.count) + sum + "\0 ", 148)
        let padding = [UInt8](repeating: 0, count: (512 - content.utf8.count % 512) % 512)
        return header + Array(content.utf8) + padding + [UInt8](repeating: 0, count: 1_024)
    }
}

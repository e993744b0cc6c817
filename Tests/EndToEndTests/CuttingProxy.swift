import Foundation
import Testing

/// A TCP proxy on loopback that hangs up on everybody each time so many more bytes have passed.
///
/// Towards the server it ends the stream, so that what was sent arrives; the client is hung up on.
final class CuttingProxy: @unchecked Sendable {
    // Protected by `lock`.
    /// The clients' sockets, with the number of directions that are open.
    private var sockets: [Int32: Int] = [:]
    private var cuts: [Int]
    private var passed = 0
    private var lastCut = 0
    private let lock = NSLock()
    private let listener: Int32
    private let target: Int
    private let countsUploads: Bool
    let port: Int

    /// Starts a proxy to the server's port, which hangs up after so many bytes each, to the server or from it.
    init(to target: Int, cuts: [Int], countsUploads: Bool) throws {
        (self.target, self.cuts, self.countsUploads) = (target, cuts, countsUploads)
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.address(0)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                var size = size
                return bind(listener, address, size) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, address, &size) == 0
            }
        }
        try #require(bound)
        self.listener = listener
        self.port = Int(UInt16(bigEndian: address.sin_port))
        Thread.detachNewThread { [weak self] in
            while case let client = accept(listener, nil, nil), client >= 0 { self?.serve(client) }
        }
    }

    deinit {
        shutdown(self.listener, Int32(SHUT_RDWR))
        close(self.listener)
    }

    var url: String { "http://127.0.0.1:\(self.port)" }
    /// The bytes that passed in the direction that counts.
    var bytes: Int { self.lock.withLock { self.passed } }
    var cutsLeft: Int { self.lock.withLock { self.cuts.count } }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return address
    }

    private func serve(_ client: Int32) {
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.address(self.target)
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else {
            close(client)
            close(server)
            return
        }
        self.lock.withLock { self.sockets[client] = 2 }
        for (source, sink, counts) in [(client, server, self.countsUploads), (server, client, !self.countsUploads)] {
            Thread.detachNewThread {
                self.copy(source, sink, counts)
                // The other direction ends, too.
                shutdown(sink, Int32(sink == client ? SHUT_RDWR : SHUT_WR))
                self.end(client, server)
            }
        }
    }

    private func end(_ client: Int32, _ server: Int32) {
        let isLast = self.lock.withLock {
            let left = (self.sockets[client] ?? 1) - 1
            self.sockets[client] = left > 0 ? left : nil
            return left == 0
        }
        guard isLast else { return }
        close(client)
        close(server)
    }

    private func copy(_ source: Int32, _ sink: Int32, _ counts: Bool) {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while case let count = recv(source, &buffer, buffer.count, 0), count > 0 {
            var sent = 0
            while sent < count {
                let step = buffer.withUnsafeBytes {
                    send(sink, $0.baseAddress?.advanced(by: sent), count - sent, Int32(MSG_NOSIGNAL))
                }
                guard step > 0 else { return }
                sent += step
            }
            if counts { self.note(count) }
        }
    }

    private func note(_ count: Int) {
        self.lock.withLock {
            self.passed += count
            guard let cut = self.cuts.first, self.passed >= self.lastCut + cut else { return }
            self.cuts.removeFirst()
            self.lastCut = self.passed
            for socket in self.sockets.keys { shutdown(socket, Int32(SHUT_RDWR)) }
        }
    }
}

import Foundation
import Testing

/// A TCP proxy on loopback that hangs up on everybody each time so many more bytes have passed.
///
/// Towards the server it ends the stream, so that what was sent arrives; the client is hung up on.
final class CuttingProxy: @unchecked Sendable {
    // Protected by `lock`.
    private var sockets: Set<Int32> = []
    private var cuts: [Int]
    private var passed = 0
    private var lastCut = 0
    private let lock = NSLock()
    private let listener: Int32
    private let target: Int
    private let countsUploads: Bool
    let port: Int

    /// Starts a proxy.
    ///
    /// - Parameters:
    ///   - target: The server's port.
    ///   - cuts: After how many bytes each to hang up.
    ///   - countsUploads: Whether the bytes to the server count, or those from it.
    init(to target: Int, cuts: [Int], countsUploads: Bool) throws {
        (self.target, self.cuts, self.countsUploads) = (target, cuts, countsUploads)
        self.listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.address(0)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                var size = size
                return bind(self.listener, address, size) == 0 && listen(self.listener, 64) == 0
                    && getsockname(self.listener, address, &size) == 0
            }
        }
        try #require(bound)
        self.port = Int(UInt16(bigEndian: address.sin_port))
        Thread.detachNewThread { [listener = self.listener, weak self] in
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
        self.lock.withLock { _ = self.sockets.insert(client) }
        let group = DispatchGroup()
        for (source, sink, counts) in [(client, server, self.countsUploads), (server, client, !self.countsUploads)] {
            group.enter()
            Thread.detachNewThread {
                self.copy(source, sink, counts)
                // The other direction ends, too.
                shutdown(sink, Int32(SHUT_WR))
                if sink == client { shutdown(client, Int32(SHUT_RDWR)) }
                group.leave()
            }
        }
        Thread.detachNewThread {
            group.wait()
            self.lock.withLock { _ = self.sockets.remove(client) }
            close(client)
            close(server)
        }
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
            for socket in self.sockets { shutdown(socket, Int32(SHUT_RDWR)) }
        }
    }
}

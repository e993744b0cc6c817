internal import Glibc
package import NIOCore

/// An IP address; an IPv4 address and the same address written as IPv6 are equal.
package struct NetworkAddress: Hashable, Sendable {
    /// What IPv6 puts before an IPv4 address: `::ffff:0:0/96`.
    private static let mapped: UInt64 = 0xffff_0000_0000

    private let high: UInt64
    private let low: UInt64

    private init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    /// Reads `192.0.2.1` or `2001:db8::1`, without port and brackets.
    package init?(_ text: some StringProtocol) {
        let text = String(text)
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            self.init(high: 0, low: Self.mapped | UInt64(UInt32(bigEndian: four.s_addr)))
            return
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        let words = withUnsafeBytes(of: &six) {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        self.init(high: UInt64(bigEndian: words.0), low: UInt64(bigEndian: words.1))
    }

    /// The address of the other end of a connection; `nil` if it has none.
    package init?(peerOf channel: any Channel) {
        guard let text = channel.remoteAddress?.ipAddress else { return nil }
        self.init(text)
    }

    /// Whether the address is one of IPv4.
    package var isVersion4: Bool { self.high == 0 && self.low & ~0xffff_ffff == Self.mapped }

    /// Whether the address is this machine's own.
    package var isLoopback: Bool {
        self.isVersion4 ? self.low & 0xff00_0000 == 0x7f00_0000 : self.high == 0 && self.low == 1
    }

    /// What limits count together: an IPv4 address, or the /64 that one IPv6 host can choose its addresses from.
    package var origin: Self { self.isVersion4 ? self : Self(high: self.high, low: 0) }

    /// The first `length` bits of 128, the others zero.
    func prefix(_ length: Int) -> Self {
        func mask(_ bits: Int) -> UInt64 { bits <= 0 ? 0 : bits >= 64 ? .max : ~(.max >> UInt64(bits)) }
        return Self(high: self.high & mask(length), low: self.low & mask(length - 64))
    }
}

extension NetworkAddress: CustomStringConvertible {
    /// The address as people write it.
    package var description: String {
        if self.isVersion4 {
            return (0..<4).map { String(self.low >> UInt64(24 - 8 * $0) & 0xff) }.joined(separator: ".")
        }
        var bytes = (self.high.bigEndian, self.low.bigEndian)
        return String(unsafeUninitializedCapacity: Int(INET6_ADDRSTRLEN)) { buffer in
            buffer.withMemoryRebound(to: CChar.self) { text in
                guard inet_ntop(AF_INET6, &bytes, text.baseAddress, socklen_t(text.count)) != nil else { return 0 }
                return text.firstIndex(of: 0) ?? 0
            }
        }
    }
}

/// A range of addresses: `10.0.0.0/8`, `2001:db8::/32`, or a single address.
package struct AddressRange: Hashable, Sendable {
    private let base: NetworkAddress
    /// Of 128 bits.
    private let length: Int

    /// Reads a range; `nil` if the text is none, or if bits behind the prefix are set.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let base = NetworkAddress(first) else { return nil }
        let width = base.isVersion4 ? 32 : 128
        var length = width
        if parts.count == 2 {
            guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let given = Int(parts[1]), given <= width
            else { return nil }
            length = given
        }
        self.length = length + 128 - width
        self.base = base.prefix(self.length)
        guard self.base == base else { return nil }
    }

    /// Whether the address is in the range.
    package func contains(_ address: NetworkAddress) -> Bool { address.prefix(self.length) == self.base }
}

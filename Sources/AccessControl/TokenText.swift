package import CacheModel
internal import LayerKernels

/// A token as people paste it: `tarn_ID_SECRET_CHECK`.
///
/// The identifier is public. The checksum tells typing errors from tokens that are not known, also without a server,
/// and lets scanners of source code be sure of what they found.
package struct TokenText: Hashable, Sendable {
    /// What every token starts with.
    package static let prefix = "tarn_"
    private static let idLength = 12
    /// 43 digits of base 62 have 256 bits.
    private static let secretLength = 43
    private static let checkLength = 6

    /// The public identifier.
    package let id: String
    private let secret: String

    /// Makes a new token; its digits come from the kernel's generator.
    package static func random() -> Self {
        var generator = SystemRandomNumberGenerator()
        func digits(_ count: Int) -> String {
            let digits = (0..<count).map { _ in Base62.digits[Int.random(in: 0..<62, using: &generator)] }
            return String(decoding: digits, as: UTF8.self)
        }
        return Self(id: digits(self.idLength), secret: digits(self.secretLength))
    }

    private init(id: String, secret: String) {
        self.id = id
        self.secret = secret
    }

    /// Takes a token apart.
    ///
    /// - Throws: ``CredentialRefusal``: `malformed` or `mistyped`.
    package init(_ text: String) throws(CredentialRefusal) {
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        let lengths = [4, Self.idLength, Self.secretLength, Self.checkLength]
        guard parts.map(\.utf8.count) == lengths, parts[0] == "tarn", parts[1...].allSatisfy(Base62.isMadeOfDigits)
        else { throw .malformed }
        self.init(id: String(parts[1]), secret: String(parts[2]))
        guard text == self.text else { throw .mistyped }
    }

    /// What is pasted.
    package var text: String {
        let start = Self.prefix + self.id + "_" + self.secret
        return start + "_" + Base62.encode(CRC32.checksum(of: start.utf8), length: Self.checkLength)
    }

    /// What is stored of the secret.
    package var digest: Digest { SHA256.digest(of: Array(self.secret.utf8)) }
}

/// Numbers as digits and letters.
enum Base62 {
    static let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    static func isMadeOfDigits(_ text: Substring) -> Bool { text.utf8.allSatisfy { self.digits.contains($0) } }

    static func encode(_ number: UInt32, length: Int) -> String {
        var rest = Int(number)
        var text: [UInt8] = []
        for _ in 0..<length {
            text.append(self.digits[rest % 62])
            rest /= 62
        }
        return String(decoding: text.reversed(), as: UTF8.self)
    }
}

/// The checksum of Ethernet and zlib, bit by bit: tokens are short.
enum CRC32 {
    static func checksum(of bytes: some Sequence<UInt8>) -> UInt32 {
        var sum = UInt32.max
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = (sum >> 1) ^ (sum & 1 == 1 ? 0xedb8_8320 : 0) }
        }
        return ~sum
    }
}

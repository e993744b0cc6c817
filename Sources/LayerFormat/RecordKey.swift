internal import CacheModel
internal import LayerKernels

/// The secret that a server seals its entry records with, so that it can tell them from bytes that a client stored.
///
/// Clients choose what is in their chunks, and a chunk may have the bytes of
/// an entry record for any project and scope. They never see this key.
public struct RecordKey: Hashable, Sendable {
    private let secret: Digest

    /// Makes a new key from the system's random numbers.
    public init() {
        let words = (0..<4).map { _ in UInt64.random(in: .min ... .max) }
        self.secret = words.withUnsafeBytes { Digest(loading: $0) }
    }

    /// Reads a key that was written as 64 lowercase hexadecimal digits.
    ///
    /// - Throws: ``CacheModel/InvalidDigest``.
    public init(hex text: some StringProtocol) throws { self.secret = try Digest(hex: text) }

    /// The key as 64 lowercase hexadecimal digits, to be kept where nobody else reads it.
    public var hex: String { "\(self.secret)" }

    /// HMAC-SHA256 (RFC 2104) of the bytes.
    func seal(_ bytes: some Sequence<UInt8>) -> Digest {
        let key = self.secret.bytes + [UInt8](repeating: 0, count: 64 - Digest.byteCount)
        let inner = SHA256.digest(of: key.map { $0 ^ 0x36 } + bytes)
        return SHA256.digest(of: key.map { $0 ^ 0x5c } + inner.bytes)
    }
}

extension RecordKey: CustomStringConvertible {
    /// Nothing of the secret, so that no log can tell it.
    public var description: String { "record key" }
}

extension EntryRecord {
    /// Field 15 of the message, 32 bytes long.
    private static let sealHeader: [UInt8] = [15 << 3 | 2, UInt8(Digest.byteCount)]

    /// The record's blob with the server's seal at its end.
    ///
    /// The seal covers every byte before it. To a protobuf reader it is one more field.
    ///
    /// - Throws: Nothing for records within the limits of their parts.
    public func sealed(with key: RecordKey) throws -> [UInt8] {
        var bytes = try self.encoded()
        let seal = key.seal(bytes)
        bytes += Self.sealHeader
        seal.append(to: &bytes)
        return bytes
    }

    /// Whether a record's blob was sealed with this key, and not changed since.
    public static func isSealed(_ bytes: [UInt8], with key: RecordKey) -> Bool {
        let size = Self.sealHeader.count + Digest.byteCount
        guard bytes.count > size, bytes.suffix(size).starts(with: Self.sealHeader) else { return false }
        return key.seal(bytes.dropLast(size)).bytes.elementsEqual(bytes.suffix(Digest.byteCount))
    }
}

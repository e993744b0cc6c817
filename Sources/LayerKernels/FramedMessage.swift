public import CacheModel

/// Bytes to be hashed or signed, in which every field stands behind its length.
///
/// No two lists of fields have the same bytes, so nothing can be moved from one field into another. The first field is
/// the name of the kind of message, so that a message of one kind is never taken for one of another.
public struct FramedMessage: Sendable {
    /// The message so far.
    public private(set) var bytes: [UInt8] = []

    /// Starts a message of a kind, such as `tarn-audit-v1`.
    public init(_ kind: String) { self.append(kind) }

    /// Appends a text as its UTF-8.
    public mutating func append(_ text: String) { self.append(bytes: Array(text.utf8)) }

    /// Appends a number as 8 bytes, big-endian, in two's complement; no bytes if there is none.
    public mutating func append(_ number: Int64?) {
        guard let number else { return self.append(bytes: []) }
        withUnsafeBytes(of: number.bigEndian) { self.append(bytes: Array($0)) }
    }

    /// Appends the 32 bytes of a digest; no bytes if there is none.
    public mutating func append(_ digest: Digest?) { self.append(bytes: digest?.bytes ?? []) }

    /// The SHA-256 of the message.
    public var digest: Digest { SHA256.digest(of: self.bytes) }

    private mutating func append(bytes field: [UInt8]) {
        withUnsafeBytes(of: UInt32(field.count).bigEndian) { self.bytes.append(contentsOf: $0) }
        self.bytes += field
    }
}

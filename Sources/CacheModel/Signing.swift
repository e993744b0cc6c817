/// A few bytes that are written as lowercase hexadecimal digits: a key, a signature.
public struct HexadecimalBytes: Hashable, Sendable {
    /// The bytes.
    public var bytes: [UInt8]

    /// Creates a value from bytes.
    public init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// Reads lowercase hexadecimal digits, two for each byte; `nil` for anything else.
    public init?(hex text: some StringProtocol) {
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in text.utf8 {
            let nibble: UInt8
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): nibble = digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): nibble = digit - UInt8(ascii: "a") + 10
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | nibble)
                high = nil
            } else {
                high = nibble
            }
        }
        guard high == nil else { return nil }
        self.bytes = bytes
    }
}

extension HexadecimalBytes: CustomStringConvertible {
    /// Two lowercase hexadecimal digits for each byte.
    public var description: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: self.bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] },
            as: UTF8.self
        )
    }
}

extension HexadecimalBytes: Codable {
    /// Reads lowercase hexadecimal digits.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let value = Self(hex: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "these are no lowercase hexadecimal digits, two for each byte"
            )
        }
        self = value
    }

    /// Writes lowercase hexadecimal digits.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}

/// A client's Ed25519 signature of an entry, and what only the client knows of what was signed.
///
/// The rest of what is signed is the entry itself: project, scope, key and layers.
public struct EntrySignature: Hashable, Sendable, Codable {
    /// The length of an Ed25519 public key.
    public static let keyByteCount = 32
    /// The length of an Ed25519 signature.
    public static let signatureByteCount = 64
    /// The longest name of a producer, in bytes.
    public static let maximumProducerLength = 256

    /// The public key that the signature is right with; it says nothing about whose key that is.
    public var key: HexadecimalBytes
    /// The signature.
    public var signature: HexadecimalBytes
    /// When the client signed, by its own clock.
    public var createdAt: Timestamp
    /// When the entry expires, as the client asked for; a server may let it expire earlier.
    public var expiresAt: Timestamp?
    /// What made the entry, such as the job.
    public var producer: String

    /// Creates a signature.
    public init(
        key: HexadecimalBytes,
        signature: HexadecimalBytes,
        createdAt: Timestamp,
        expiresAt: Timestamp?,
        producer: String
    ) {
        self.key = key
        self.signature = signature
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.producer = producer
    }
}

extension EntrySignature {
    private static let headerSize = Self.keyByteCount + Self.signatureByteCount + 16

    /// The form in which it is stored: key, signature, both times as 8 bytes big-endian (no end: 0), producer.
    public var packed: [UInt8] {
        var bytes = self.key.bytes + self.signature.bytes
        for moment in [self.createdAt.milliseconds, self.expiresAt?.milliseconds ?? 0] {
            withUnsafeBytes(of: moment.bigEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes + Array(self.producer.utf8)
    }

    /// Reads the stored form; `nil` if it is too short.
    public init?(packed bytes: some Collection<UInt8>) {
        let bytes = Array(bytes)
        guard bytes.count >= Self.headerSize else { return nil }
        func number(_ offset: Int) -> Int64 {
            Int64(bitPattern: bytes[offset..<offset + 8].reduce(0) { $0 << 8 | UInt64($1) })
        }
        let times = Self.keyByteCount + Self.signatureByteCount
        let end = number(times + 8)
        self.init(
            key: HexadecimalBytes(bytes[..<Self.keyByteCount]),
            signature: HexadecimalBytes(bytes[Self.keyByteCount..<times]),
            createdAt: Timestamp(milliseconds: number(times)),
            expiresAt: end == 0 ? nil : Timestamp(milliseconds: end),
            producer: String(decoding: bytes[Self.headerSize...], as: UTF8.self)
        )
    }
}

/// The server's signed word about who saved an entry, and where the audit log stood then.
public struct Receipt: Hashable, Sendable, Codable {
    /// The entry.
    public var entry: Int64
    /// Its project.
    public var project: String
    /// Its scope.
    public var scope: String
    /// Its key.
    public var key: String
    /// Who saved it.
    public var actor: String
    /// When, by the server's clock.
    public var at: Timestamp
    /// The digest of the entry's record.
    public var record: Digest
    /// The row of the audit log that says so, and its hash: where the log ended then.
    public var audit: AuditHead
    /// The server's public key.
    public var serverKey: HexadecimalBytes
    /// The server's Ed25519 signature of all of the above but its key.
    public var signature: HexadecimalBytes

    /// Creates a receipt.
    public init(
        entry: Int64,
        project: String,
        scope: String,
        key: String,
        actor: String,
        at moment: Timestamp,
        record: Digest,
        audit: AuditHead,
        serverKey: HexadecimalBytes,
        signature: HexadecimalBytes
    ) {
        self.entry = entry
        self.project = project
        self.scope = scope
        self.key = key
        self.actor = actor
        self.at = moment
        self.record = record
        self.audit = audit
        self.serverKey = serverKey
        self.signature = signature
    }
}

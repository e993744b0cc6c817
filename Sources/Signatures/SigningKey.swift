public import CacheModel
internal import Crypto
internal import LayerKernels

/// A secret Ed25519 key.
public struct SigningKey: Sendable {
    /// What its text begins with.
    private static let prefix = "tarn-sk1-"

    private let key: Curve25519.Signing.PrivateKey

    /// Makes a new key from the system's random numbers.
    public init() { self.key = Curve25519.Signing.PrivateKey() }

    /// Reads `tarn-sk1-` and 64 lowercase hexadecimal digits.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest`, which does not repeat the text.
    public init(text: some StringProtocol) throws {
        guard text.hasPrefix(Self.prefix), let seed = HexadecimalBytes(hex: text.dropFirst(Self.prefix.count)),
            let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed.bytes)
        else {
            throw CacheError(
                .invalidRequest,
                "this is no signing key: it is written as \(Self.prefix) and 64 hexadecimal digits; "
                    + "cachectl sign-key create makes one"
            )
        }
        self.key = key
    }

    /// Whether a text is meant to be a key rather than the name of a file.
    public static func isKey(_ text: some StringProtocol) -> Bool { text.hasPrefix(self.prefix) }

    /// The key as text, to be kept where nobody else reads it.
    public var text: String { Self.prefix + HexadecimalBytes(Array(self.key.rawRepresentation)).description }

    /// What others check its signatures with.
    public var publicKey: VerificationKey {
        VerificationKey(bytes: HexadecimalBytes(Array(self.key.publicKey.rawRepresentation)))
    }

    /// Signs a message.
    ///
    /// - Throws: What the library throws when it has no memory.
    func sign(_ message: FramedMessage) throws -> HexadecimalBytes {
        HexadecimalBytes(Array(try self.key.signature(for: message.bytes)))
    }
}

extension SigningKey: CustomStringConvertible {
    /// Nothing of the secret, so that no log can tell it.
    public var description: String { "signing key of \(self.publicKey)" }
}

/// A public Ed25519 key.
public struct VerificationKey: Hashable, Sendable {
    /// What its text begins with.
    private static let prefix = "tarn-pk1-"

    /// The key's 32 bytes.
    public let bytes: HexadecimalBytes

    /// Creates a key; one that is none verifies nothing.
    public init(bytes: HexadecimalBytes) { self.bytes = bytes }

    /// Reads `tarn-pk1-` and 64 lowercase hexadecimal digits.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest`.
    public init(text: some StringProtocol) throws {
        guard text.hasPrefix(Self.prefix), let bytes = HexadecimalBytes(hex: text.dropFirst(Self.prefix.count)),
            bytes.bytes.count == EntrySignature.keyByteCount
        else {
            throw CacheError(
                .invalidRequest,
                "'\(text)' is no public key: it is written as \(Self.prefix) and 64 hexadecimal digits"
            )
        }
        self.bytes = bytes
    }

    /// Whether a text is meant to be a key rather than the name of a file.
    public static func isKey(_ text: some StringProtocol) -> Bool { text.hasPrefix(self.prefix) }

    /// Whether a signature is that of the message with the key's secret.
    func verifies(_ signature: HexadecimalBytes, of message: FramedMessage) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: self.bytes.bytes) else { return false }
        return key.isValidSignature(signature.bytes, for: message.bytes)
    }
}

extension VerificationKey: CustomStringConvertible {
    /// `tarn-pk1-` and 64 lowercase hexadecimal digits.
    public var description: String { Self.prefix + self.bytes.description }
}

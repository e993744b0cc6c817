internal import CLibcrypto
public import CacheModel

/// An incremental SHA-256 over raw bytes, by OpenSSL's libcrypto.
///
/// The context is allocated once and reused: ``finish()`` leaves the hasher
/// ready for the next message.
public struct SHA256: ~Copyable {
    /// The algorithm, fetched once per process: fetching costs a tenth of hashing a small file.
    private static let algorithm = SendableAlgorithm()

    private let context: OpaquePointer?

    /// Creates a hasher ready for its first message.
    public init() {
        self.context = EVP_MD_CTX_new()
        self.start()
    }

    deinit { EVP_MD_CTX_free(self.context) }

    /// Adds bytes to the message.
    public mutating func update(_ bytes: RawSpan) {
        bytes.withUnsafeBytes { self.update($0) }
    }

    /// Adds bytes to the message.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        let done = EVP_DigestUpdate(self.context, bytes.baseAddress, bytes.count)
        precondition(done == 1, "libcrypto's SHA-256 cannot fail on memory it was given.")
    }

    /// Ends the message and starts a new one.
    public mutating func finish() -> Digest {
        let digest = withUnsafeTemporaryAllocation(byteCount: Digest.byteCount, alignment: 8) { bytes in
            let done = EVP_DigestFinal_ex(self.context, bytes.bindMemory(to: UInt8.self).baseAddress, nil)
            precondition(done == 1, "libcrypto's SHA-256 cannot fail to finish.")
            return Digest(loading: UnsafeRawBufferPointer(bytes))
        }
        self.start()
        return digest
    }

    /// The digest of one piece of memory.
    public static func digest(of bytes: UnsafeRawBufferPointer) -> Digest {
        var hasher = Self()
        hasher.update(bytes)
        return hasher.finish()
    }

    /// The digest of one array.
    public static func digest(of bytes: [UInt8]) -> Digest {
        bytes.withUnsafeBytes { self.digest(of: $0) }
    }

    private func start() {
        let done = EVP_DigestInit_ex2(self.context, Self.algorithm.pointer, nil)
        precondition(done == 1, "libcrypto offers SHA-256.")
    }
}

/// The pointer is written once, before anybody can read it, and libcrypto's
/// algorithm objects are immutable: sharing it between threads is safe.
private struct SendableAlgorithm: @unchecked Sendable {
    let pointer = EVP_MD_fetch(nil, "SHA256", nil)
}

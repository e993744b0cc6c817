internal import CLibcrypto
public import CacheModel

/// An incremental SHA-256 over raw bytes, by OpenSSL's libcrypto.
///
/// It needs no memory but its own, and ``finish()`` leaves the hasher ready for the next message.
public struct SHA256: ~Copyable {
    private var context = SHA256_CTX()

    /// Creates a hasher ready for its first message.
    public init() { self.start() }

    /// Adds bytes to the message.
    public mutating func update(_ bytes: RawSpan) {
        bytes.withUnsafeBytes { self.update($0) }
    }

    /// Adds bytes to the message.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        let done = SHA256_Update(&self.context, bytes.baseAddress, bytes.count)
        precondition(done == 1, "libcrypto's SHA-256 cannot fail on memory it was given.")
    }

    /// Ends the message and starts a new one.
    public mutating func finish() -> Digest {
        let digest = withUnsafeTemporaryAllocation(byteCount: Digest.byteCount, alignment: 8) { bytes in
            let done = SHA256_Final(bytes.bindMemory(to: UInt8.self).baseAddress, &self.context)
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

    private mutating func start() {
        let done = SHA256_Init(&self.context)
        precondition(done == 1, "libcrypto's SHA-256 cannot fail to start.")
    }
}

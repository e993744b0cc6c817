package import CacheModel

/// Which blob the disk cannot give: the cause of an error with code ``CacheModel/CacheError/Code/unreadable``.
private struct UnreadableBlob: Error {
    var digest: Digest
}

extension CacheError.Code {
    /// The disk cannot give the bytes of a blob: a sector is lost, or its checksum in the file system is wrong.
    ///
    /// Whether the bytes are right is not known. Inside the server only; clients are told `unavailable`.
    package static let unreadable = Self("unreadable")
}

extension CacheError {
    /// The error for a blob that the disk cannot give.
    package static func unreadable(_ digest: Digest, _ reason: String) -> Self {
        Self(
            .unreadable,
            "blob \(digest) cannot be read: \(reason); check the disk",
            cause: UnreadableBlob(digest: digest)
        )
    }

    /// The blob that the disk cannot give, if that is what this error says.
    package var unreadableBlob: Digest? { (self.cause as? UnreadableBlob)?.digest }

    /// Whether stored bytes could not be read now, which says nothing about what they are.
    package var saysNothingOfBytes: Bool { self.code == .unavailable || self.code == .unreadable }
}

extension UnreadableBlob: CustomStringConvertible {
    /// Nothing: the message has the digest.
    var description: String { "" }
}

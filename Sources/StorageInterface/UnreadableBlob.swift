package import CacheModel

extension CacheError.Code {
    /// The disk cannot give the bytes of a blob: a sector is lost, or its checksum in the file system is wrong.
    ///
    /// Whether the bytes are right is not known. Inside the server only; clients are told `unavailable`.
    package static let unreadable = Self("unreadable")
}

extension CacheError {
    /// Whether stored bytes could not be read now, which says nothing about what they are.
    package var saysNothingOfBytes: Bool { self.code == .unavailable || self.code == .unreadable }
}

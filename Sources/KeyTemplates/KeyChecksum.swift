public import CacheModel
internal import LayerKernels

/// How files become text in a key.
///
/// - `checksum "file"`: the SHA-256 of the file's bytes in ``encode(_:)``.
/// - `checksum` with several names or a glob: ``combine(_:)`` of the files in ``encode(_:)``. A name with `*`, `?` or `[` in it
///   is a glob unless a file has exactly that name.
/// - `hashFiles`: lowercase hexadecimal SHA-256 over the files' 32-byte SHA-256 digests one after another, files in
///   bytewise order of their names, each once; empty if nothing matches. This is what GitHub Actions computes.
///
/// In globs `*` and `?` stay within a name and match a leading dot too, `[a-z]` and `[!a-z]` are sets, and `**` stands for any
/// number of folders, not following symbolic links. A pattern of `hashFiles` that starts with `!` takes files out again.
public enum KeyChecksum {
    /// CircleCI's encoding of a digest: padded Base64 with `/` replaced by `_`, and `+` kept; 44 characters.
    public static func encode(_ digest: Digest) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+_".utf8)
        let bytes = digest.bytes
        var text: [UInt8] = []
        text.reserveCapacity(44)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let word = group.reduce(0) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for index in 0..<4 {
                let isPadding = index > group.count
                text.append(isPadding ? UInt8(ascii: "=") : alphabet[Int(word >> UInt32(18 - 6 * index) & 0x3f)])
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The digest of one piece of memory.
    public static func digest(of bytes: [UInt8]) -> Digest { SHA256.digest(of: bytes) }

    /// The digest of several files: SHA-256 over `name`, a zero byte and the file's 32-byte digest for each name.
    ///
    /// Names are those of the template (a glob's matches with the folders of the glob), taken in bytewise order and each once:
    /// the order of arguments and of directory listings does not matter, names do.
    public static func combine(_ files: [(name: String, digest: Digest)]) -> Digest {
        var message: [UInt8] = []
        for (name, digest) in Self.ordered(files) {
            message.append(contentsOf: name.utf8)
            message.append(0)
            digest.append(to: &message)
        }
        return SHA256.digest(of: message)
    }

    /// What `hashFiles` gives for files: hexadecimal text, or none if there are no files.
    public static func hashFiles(_ files: [(name: String, digest: Digest)]) -> String {
        guard !files.isEmpty else { return "" }
        var message: [UInt8] = []
        for (_, digest) in Self.ordered(files) { digest.append(to: &message) }
        return SHA256.digest(of: message).description
    }

    private static func ordered(_ files: [(name: String, digest: Digest)]) -> [(name: String, digest: Digest)] {
        var seen: Set<String> = []
        return
            files
            .filter { seen.insert($0.name).inserted }
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }
}

public import CacheModel
internal import LayerKernels

/// SHA-256 over a layer's canonical member list: same content, same digest, on any machine.
///
/// The message is `tarn-tree-1` and a newline, then one record for each member in canonical order (docs/FORMAT.md):
///
///     d <mode> <path> NUL
///     f <mode> <size> <digest> <path> NUL
///     l <path> NUL <target> NUL
///     h <path> NUL <target> NUL
///
/// with the mode as four octal digits and the digest of the normalised content in hexadecimal. Times are no part of it.
public struct TreeDigest: ~Copyable {
    private var hasher = SHA256()
    private var record: [UInt8] = []

    /// Starts a digest.
    public init() { self.add("tarn-tree-1\n") }

    /// The digest of a whole list.
    ///
    /// - Parameters:
    ///   - members: The members in canonical order.
    ///   - contentDigests: One digest for each file, in order.
    /// - Returns: The tree digest.
    public static func digest(of members: MemberList, contentDigests: [Digest]) -> Digest {
        var tree = Self()
        var nextFile = 0
        for index in members.indices {
            switch members.kind(at: index) {
            case .file:
                tree.add("f ")
                tree.addOctal(members.mode(at: index))
                tree.addDecimal(members.size(at: index))
                tree.addHex(contentDigests[nextFile])
                nextFile += 1
                members.withPath(at: index) { tree.addTerminated($0) }
            case .directory:
                tree.add("d ")
                tree.addOctal(members.mode(at: index))
                members.withPath(at: index) { tree.addTerminated($0) }
            case .symlink, .hardlink:
                tree.add(members.kind(at: index) == .symlink ? "l " : "h ")
                members.withPath(at: index) { tree.addTerminated($0) }
                members.withTarget(at: index) { tree.addTerminated($0) }
            }
        }
        return tree.finish()
    }

    private mutating func add(_ text: String) { self.record.append(contentsOf: text.utf8) }

    private mutating func addTerminated(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.record.append(contentsOf: bytes)
        self.record.append(0)
        if self.record.count > 65_536 { self.flush() }
    }

    private mutating func flush() {
        self.record.withUnsafeBytes { self.hasher.update($0) }
        self.record.removeAll(keepingCapacity: true)
    }

    private consuming func finish() -> Digest {
        self.flush()
        return self.hasher.finish()
    }

    /// At least four octal digits and a space.
    private mutating func addOctal(_ mode: UInt16) {
        var shift = mode > 0o7777 ? 15 : 9
        while shift >= 0 {
            self.record.append(UInt8(ascii: "0") + UInt8(mode >> shift & 7))
            shift -= 3
        }
        self.record.append(UInt8(ascii: " "))
    }

    /// Decimal digits and a space.
    private mutating func addDecimal(_ number: Int) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var rest = number.magnitude
            var start = digits.count
            repeat {
                start -= 1
                digits[start] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            self.record.append(contentsOf: digits[start...])
        }
        self.record.append(UInt8(ascii: " "))
    }

    /// 64 hexadecimal digits and a space.
    private mutating func addHex(_ digest: Digest) {
        digest.appendHexadecimal(to: &self.record)
        self.record.append(UInt8(ascii: " "))
    }
}

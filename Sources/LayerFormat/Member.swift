/// What a member of a layer is.
public enum MemberKind: UInt8, Hashable, Sendable, CaseIterable {
    case directory = 0
    case file = 1
    case symlink = 2
    case hardlink = 3
}

/// One member of a layer, as a value of its own.
public struct Member: Hashable, Sendable {
    /// The most bytes a path or a link target may have.
    public static let maximumPathLength = 65_536

    /// The path relative to the layer's anchor, without leading, trailing or doubled slashes; any bytes but NUL.
    public var path: [UInt8]
    /// What it is.
    public var kind: MemberKind
    /// Permission bits, 0 to 0o777; 0o777 for symlinks, 0 for hardlinks, which have none of their own.
    public var mode: UInt16
    /// The number of bytes of a file; 0 for everything else.
    public var size: Int
    /// A symlink's text, or the path of the file that a hardlink is another name of.
    public var target: [UInt8]

    /// Creates a member.
    public init(path: [UInt8], kind: MemberKind, mode: UInt16, size: Int = 0, target: [UInt8] = []) {
        self.path = path
        self.kind = kind
        self.mode = mode
        self.size = size
        self.target = target
    }

    /// The path as text for people; bytes that are no UTF-8 become U+FFFD, control characters are escaped.
    public var displayPath: String { Self.display(self.path) }

    /// Bytes as text that is safe to print: invalid UTF-8 becomes U+FFFD, control characters `\u{…}`.
    public static func display(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).unicodeScalars.reduce(into: "") { text, scalar in
            if scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) {
                text += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
    }
}

/// The order of members in a layer: directories by path, then everything else by (extension, path), bytewise.
///
/// Files of one kind side by side compress better, and a changed file moves no other.
public enum CanonicalOrder {
    /// Whether the first member goes before the second.
    public static func areInIncreasingOrder(
        _ first: UnsafeBufferPointer<UInt8>,
        isDirectory firstIsDirectory: Bool,
        _ second: UnsafeBufferPointer<UInt8>,
        isDirectory secondIsDirectory: Bool
    ) -> Bool {
        guard firstIsDirectory == secondIsDirectory else { return firstIsDirectory }
        if !firstIsDirectory {
            let order = self.compare(self.pathExtension(of: first), self.pathExtension(of: second))
            if order != 0 { return order < 0 }
        }
        return self.compare(first, second) < 0
    }

    /// The bytes after the last dot of the last component, if that dot is not its first byte; otherwise none.
    public static func pathExtension(of path: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        var index = path.count - 1
        while index > 0, path[index] != UInt8(ascii: "/") {
            if path[index] == UInt8(ascii: ".") {
                guard path[index - 1] != UInt8(ascii: "/") else { break }
                return UnsafeBufferPointer(rebasing: path[(index + 1)...])
            }
            index -= 1
        }
        return UnsafeBufferPointer(rebasing: path[path.count...])
    }

    private static func compare(_ first: UnsafeBufferPointer<UInt8>, _ second: UnsafeBufferPointer<UInt8>) -> Int {
        let shared = min(first.count, second.count)
        var index = 0
        while index < shared {
            if first[index] != second[index] { return Int(first[index]) - Int(second[index]) }
            index += 1
        }
        return first.count - second.count
    }
}

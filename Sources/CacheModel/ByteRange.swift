/// What a `Range` field asks for.
public enum ByteRange: Hashable, Sendable {
    /// Everything: there is no range, or one that may be ignored.
    case whole
    /// These bytes.
    case part(Range<Int>)
    /// Bytes that do not exist.
    case unsatisfiable

    /// Parses a field for a content of `size` bytes; several ranges at once are answered with everything.
    public static func parse(_ text: String, size: Int) -> Self {
        guard text.hasPrefix("bytes="), !text.contains(",") else { return .whole }
        let parts = text.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return .whole }
        func number(_ text: Substring) -> Int? {
            text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
        }
        switch (parts[0].isEmpty, parts[1].isEmpty) {
        case (true, true): return .whole
        case (true, false):
            guard let suffix = number(parts[1]) else { return .whole }
            return suffix > 0 && size > 0 ? .part(max(0, size - suffix)..<size) : .unsatisfiable
        case (false, let isOpen):
            guard let first = number(parts[0]), let last = isOpen ? Int.max - 1 : number(parts[1]), first <= last
            else { return .whole }
            return first < size ? .part(first..<min(last + 1, size)) : .unsatisfiable
        }
    }
}

// Names of branches and scopes are compared as bytes, as Git and the catalogs do: for `String` two spellings of the
// same accented letter are equal, and a branch could pass for another one.

/// A name with `*` for any text, the empty one included.
struct NamePattern {
    private let parts: [[UInt8]]

    init(_ text: String) {
        let star = UInt8(ascii: "*")
        self.parts = Array(text.utf8).split(separator: star, omittingEmptySubsequences: false).map(Array.init)
    }

    /// Takes the leftmost place for each part, so the time is bounded by the product of the lengths.
    func matches(_ name: String) -> Bool {
        let name = Array(name.utf8)
        guard self.parts.count > 1, let first = self.parts.first, let last = self.parts.last else {
            return name == self.parts.first ?? []
        }
        guard name.starts(with: first) else { return false }
        var rest = name.dropFirst(first.count)
        for part in self.parts.dropFirst().dropLast() where !part.isEmpty {
            guard let start = rest.indices.first(where: { rest[$0...].starts(with: part) }) else { return false }
            rest = rest[(start + part.count)...]
        }
        return rest.count >= last.count && rest.suffix(last.count).elementsEqual(last)
    }
}

extension String {
    /// Whether both texts have the same bytes.
    func isSame(as other: String) -> Bool { self.utf8.elementsEqual(other.utf8) }

    /// What follows `prefix`, or `nil` if the text does not start with its bytes.
    func dropping(_ prefix: String) -> String? {
        self.utf8.starts(with: prefix.utf8) ? String(Substring(self.utf8.dropFirst(prefix.utf8.count))) : nil
    }
}

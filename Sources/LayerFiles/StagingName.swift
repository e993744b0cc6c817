internal import LayerFormat

/// The names of the directories in which restores prepare what they will swap in: `.<name>.tarn-<16 hex digits>`.
enum StagingName {
    private static let marker = Array(".tarn-".utf8)
    private static let digitCount = 16

    /// A new name for a layer called `name`; empty for the anchor itself.
    static func make(for name: [UInt8]) -> [UInt8] {
        let digits = String(UInt64.random(in: 0 ... .max), radix: 16)
        let padding = String(repeating: "0", count: Self.digitCount - digits.count)
        return self.prefix(for: name) + Array((padding + digits).utf8)
    }

    /// What all staging directories of a layer begin with; long names are cut so that it stays a name.
    static func prefix(for name: [UInt8]) -> [UInt8] {
        name.isEmpty ? self.marker : [UInt8(ascii: ".")] + name.prefix(200) + self.marker
    }

    /// Whether a name is one of a staging directory, whatever its layer.
    static func isStaging(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        let suffix = Self.marker.count + Self.digitCount
        guard name.count >= suffix, name[0] == UInt8(ascii: ".") else { return false }
        let end = UnsafeBufferPointer(rebasing: name[(name.count - suffix)...])
        return end.starts(with: Self.marker)
            && end[Self.marker.count...].allSatisfy { digit in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(digit)
            }
    }
}

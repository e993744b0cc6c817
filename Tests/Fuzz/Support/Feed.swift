/// Takes decisions and texts off the front of a fuzzer's input; when it is used up, there are zeros.
public struct Feed {
    private var bytes: Slice<UnsafeRawBufferPointer>

    /// Creates a feed from what libFuzzer hands over.
    public init(_ start: UnsafePointer<UInt8>?, _ count: Int) {
        self.bytes = UnsafeRawBufferPointer(start: start, count: count)[...]
    }

    /// The bytes that are left.
    public var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self.bytes) }

    /// Whether there are bytes left.
    public var hasMore: Bool { !self.bytes.isEmpty }

    /// The next byte.
    public mutating func byte() -> UInt8 { self.bytes.popFirst() ?? 0 }

    /// A number from 0 up to `limit`, which is left out; `limit` is at most 256.
    public mutating func number(below limit: Int) -> Int { Int(self.byte()) % limit }

    /// A decision.
    public mutating func flag() -> Bool { self.byte() & 1 == 1 }

    /// A number of 64 bits.
    public mutating func word() -> UInt64 { (0..<8).reduce(0) { word, _ in word << 8 | UInt64(self.byte()) } }

    /// Bytes with their number before them, or up to the end.
    public mutating func piece() -> [UInt8] {
        let count = Int(self.byte())
        let piece = self.bytes.prefix(count)
        self.bytes = self.bytes.dropFirst(count)
        return Array(piece)
    }

    /// Text with the number of its bytes before it; what is no UTF-8 becomes U+FFFD.
    public mutating func text() -> String { String(decoding: self.piece(), as: UTF8.self) }

    /// One of some choices.
    public mutating func choice<Choice>(_ choices: [Choice]) -> Choice { choices[self.number(below: choices.count)] }
}

/// The text of a whole input; what is no UTF-8 becomes U+FFFD.
public func text(_ start: UnsafePointer<UInt8>?, _ count: Int) -> String {
    String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
}

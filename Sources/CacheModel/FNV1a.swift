/// The hash FNV-1a of 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>), for tables that compare what they find.
public struct FNV1a: Sendable {
    /// The hash of all bytes so far.
    public private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    /// Starts with no bytes.
    public init() {}

    /// Adds one byte.
    public mutating func add(_ byte: UInt8) { self.value = (self.value ^ UInt64(byte)) &* 0x0100_0000_01b3 }

    /// Adds bytes.
    public mutating func add(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { self.add(byte) }
    }

    /// The hash of a piece of memory.
    public static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
        var hash = Self()
        for byte in bytes { hash.add(byte) }
        return hash.value
    }
}

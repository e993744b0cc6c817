/// One header block of a foreign tar: the fields as they stand there, refused if they are malformed.
struct TarHeaderBlock {
    enum Dialect { case v7, ustar, gnu }

    /// Why a field is refused; the reader adds place and name.
    struct Malformed: Error { let problem: String }

    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isZero: Bool { self.bytes.allSatisfy { $0 == 0 } }
    var typeFlag: UInt8 { self.bytes[156] }

    var dialect: Dialect {
        switch Array(self.bytes[257..<265]) {
        case Array("ustar  \0".utf8): .gnu
        case let magic where magic.starts(with: Array("ustar\0".utf8)): .ustar
        default: .v7
        }
    }

    /// Sums the bytes as unsigned numbers, and as signed ones as some old programs did.
    func verifyChecksum() throws(Malformed) {
        let field = 148..<156
        let expected = try self.number(in: field, "checksum")
        var unsigned = 0
        var signed = 0
        for (position, byte) in self.bytes.enumerated() {
            let byte = field.contains(position) ? UInt8(ascii: " ") : byte
            unsigned += Int(byte)
            signed += Int(Int8(bitPattern: byte))
        }
        guard expected == unsigned || expected == signed else {
            throw Malformed(problem: "its header's checksum is \(expected), expected \(unsigned); the tar is damaged")
        }
    }

    /// Refuses what other readers stop or stumble at, although nothing here needs it.
    func verifyUnusedFields() throws(Malformed) {
        _ = try self.number(in: 108..<116, "user id")
        _ = try self.number(in: 116..<124, "group id")
        // Some readers take it for the start of the path, whatever the header's dialect is.
        guard self.dialect != .v7 || self.bytes[345..<500].allSatisfy({ $0 == 0 }) else {
            throw Malformed(problem: "it has a path prefix, but its header is of a form that has none")
        }
    }

    func mode() throws(Malformed) -> UInt16 { UInt16(try self.number(in: 100..<108, "mode") & 0o777) }
    func size() throws(Malformed) -> Int { try self.count(in: 124..<136, "size") }
    func seconds() throws(Malformed) -> Int { try self.number(in: 136..<148, "modification time") }

    /// The name, with the prefix where the dialect has one.
    var path: [UInt8] {
        let name = self.text(in: 0..<100)
        guard self.dialect == .ustar else { return name }
        let prefix = self.text(in: 345..<500)
        return prefix.isEmpty ? name : prefix + [UInt8(ascii: "/")] + name
    }

    var name: [UInt8] { self.text(in: 0..<100) }
    var target: [UInt8] { self.text(in: 157..<257) }

    // The fields of GNU tar's old sparse format.
    func realSize() throws(Malformed) -> Int { try self.count(in: 483..<495, "real size") }
    var isExtended: Bool { self.bytes[482] != 0 }
    func sparseExtents() throws(Malformed) -> [(offset: Int, size: Int)] { try self.extents(at: 386, count: 4) }

    // The fields of its extension blocks.
    var isExtensionExtended: Bool { self.bytes[504] != 0 }
    func extensionExtents() throws(Malformed) -> [(offset: Int, size: Int)] { try self.extents(at: 0, count: 21) }

    private func extents(at start: Int, count: Int) throws(Malformed) -> [(offset: Int, size: Int)] {
        var extents: [(offset: Int, size: Int)] = []
        for offset in stride(from: start, to: start + count * 24, by: 24) {
            guard self.bytes[(offset + 12)..<(offset + 24)].contains(where: { $0 != 0 }) else { break }
            extents.append(
                (
                    try self.count(in: offset..<(offset + 12), "sparse map"),
                    try self.count(in: (offset + 12)..<(offset + 24), "sparse map")
                )
            )
        }
        return extents
    }

    private func text(in range: Range<Int>) -> [UInt8] { Array(self.bytes[range].prefix { $0 != 0 }) }

    private func count(in range: Range<Int>, _ what: String) throws(Malformed) -> Int {
        let number = try self.number(in: range, what)
        guard number >= 0, number <= 1 << 50 else {
            throw Malformed(problem: "its \(what) is \(number), which is out of range")
        }
        return number
    }

    /// Octal digits between spaces and NULs, or GNU's base 256 with the highest bit set.
    private func number(in range: Range<Int>, _ what: String) throws(Malformed) -> Int {
        let field = self.bytes[range]
        let malformed = Malformed(problem: "its \(what) is no number; the tar is damaged")
        if self.bytes[range.lowerBound] & 0x80 != 0 { return try Self.base256(field, malformed) }
        let digits = field.drop { $0 == UInt8(ascii: " ") }.prefix { $0 != 0 && $0 != UInt8(ascii: " ") }
        guard field[digits.endIndex...].allSatisfy({ $0 == 0 || $0 == UInt8(ascii: " ") }) else { throw malformed }
        var value = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(digit) else { throw malformed }
            value = value << 3 | Int(digit - UInt8(ascii: "0"))
        }
        return value
    }

    private static func base256(_ field: ArraySlice<UInt8>, _ malformed: Malformed) throws(Malformed) -> Int {
        guard let first = field.first, first == 0x80 || first == 0xff else { throw malformed }
        var value = first == 0xff ? -1 : 0
        for byte in field.dropFirst() {
            guard value >> 54 == value >> 63 else { throw malformed }
            value = value << 8 | Int(byte)
        }
        return value
    }
}

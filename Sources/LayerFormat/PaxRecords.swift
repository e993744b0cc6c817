/// The records of one PAX header, or the globals that later headers override.
struct PaxRecords {
    typealias Malformed = TarHeaderBlock.Malformed

    private var values: [String: [UInt8]] = [:]
    /// Offsets and sizes of the sparse format 0.0, the only records that may repeat.
    private(set) var repeatedExtents: [(offset: Int, size: Int)] = []

    /// Creates records that say nothing.
    init() {}

    /// Parses a header strictly: what is not exactly `<length> <keyword>=<value>\n` over and over is refused.
    init(parsing bytes: [UInt8]) throws(Malformed) {
        var rest = bytes[...]
        var pendingOffset: Int?
        while !rest.isEmpty {
            let record = try Self.takeRecord(from: &rest)
            guard let equals = record.firstIndex(of: UInt8(ascii: "=")), equals > record.startIndex else {
                throw Malformed(problem: "a PAX record has no keyword; the tar is damaged")
            }
            let keyword = String(decoding: record[..<equals], as: UTF8.self)
            let value = Array(record[(equals + 1)...])
            switch keyword {
            case "GNU.sparse.offset" where pendingOffset == nil:
                pendingOffset = try Self.number(value, keyword)
            case "GNU.sparse.numbytes":
                guard let offset = pendingOffset else {
                    throw Malformed(problem: "its sparse map has a size without an offset")
                }
                self.repeatedExtents.append((offset, try Self.number(value, keyword)))
                pendingOffset = nil
            default:
                guard self.values.updateValue(value, forKey: keyword) == nil, keyword != "GNU.sparse.offset" else {
                    throw Malformed(problem: "PAX keyword '\(Member.display(Array(keyword.utf8)))' stands twice")
                }
            }
        }
        guard pendingOffset == nil else { throw Malformed(problem: "its sparse map has an offset without a size") }
    }

    private static func takeRecord(from rest: inout ArraySlice<UInt8>) throws(Malformed) -> ArraySlice<UInt8> {
        let malformed = Malformed(problem: "a PAX record is malformed; the tar is damaged")
        let digits = rest.prefix(8).prefix { $0 != UInt8(ascii: " ") }
        guard digits.first != UInt8(ascii: "0"), let length = Self.decimal(digits), digits.endIndex < rest.endIndex,
            rest[digits.endIndex] == UInt8(ascii: " "), length <= rest.count, length > digits.count + 2,
            rest[rest.startIndex + length - 1] == UInt8(ascii: "\n")
        else { throw malformed }
        let record = rest[(digits.endIndex + 1)..<(rest.startIndex + length - 1)]
        rest = rest.dropFirst(length)
        return record
    }

    /// Checks what may be said once for all members: nothing that tells one from another.
    func validateAsGlobal() throws(Malformed) {
        for keyword in self.values.keys {
            let isForbidden =
                ["path", "linkpath", "size", "SCHILY.realsize"].contains(keyword) || keyword.hasPrefix("GNU.sparse")
            guard !isForbidden else {
                throw Malformed(problem: "a global PAX header sets '\(keyword)', which differs between members")
            }
        }
        guard self.repeatedExtents.isEmpty else {
            throw Malformed(problem: "a global PAX header has a sparse map, which differs between members")
        }
    }

    /// Takes over what another global header says about times, the one thing that is looked up in globals.
    mutating func override(with newer: Self) {
        if let time = newer.values["mtime"] { self.values["mtime"] = time }
    }

    /// Whether a keyword stands here.
    func has(_ keyword: String) -> Bool { self.values[keyword] != nil }

    /// A value that is a path: not empty, without NUL.
    func text(_ keyword: String) throws(Malformed) -> [UInt8]? {
        guard let value = self.values[keyword] else { return nil }
        guard !value.isEmpty, !value.contains(0) else {
            throw Malformed(problem: "its PAX \(keyword) is empty or holds a NUL")
        }
        return value
    }

    /// A value that is a number of bytes or of things.
    func number(_ keyword: String) throws(Malformed) -> Int? {
        guard let value = self.values[keyword] else { return nil }
        return try Self.number(value, keyword)
    }

    /// A list of numbers between commas: offsets and sizes by turns.
    func extents(_ keyword: String) throws(Malformed) -> [(offset: Int, size: Int)]? {
        guard let value = self.values[keyword] else { return nil }
        guard !value.isEmpty else { return [] }
        var numbers: [Int] = []
        for field in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            numbers.append(try Self.number(field, keyword))
        }
        guard numbers.count.isMultiple(of: 2) else {
            throw Malformed(problem: "its sparse map has an offset without a size")
        }
        return stride(from: 0, to: numbers.count, by: 2).map { (numbers[$0], numbers[$0 + 1]) }
    }

    /// A value that is a time in seconds with any number of decimals, as ns; an empty one takes a global back.
    func time(_ keyword: String) throws(Malformed) -> Int64? {
        guard let value = self.values[keyword], !value.isEmpty else { return nil }
        let isNegative = value.first == UInt8(ascii: "-")
        let parts = value.dropFirst(isNegative ? 1 : 0)
            .split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first, let seconds = Self.decimal(whole), seconds < 9_000_000_000 else {
            throw Malformed(problem: "its PAX \(keyword) is no time that can be kept")
        }
        var nanoseconds = seconds * 1_000_000_000
        if parts.count == 2 {
            let decimals = parts[1].prefix(9)
            guard parts[1].isEmpty || Self.isDigits(parts[1]),
                let fraction = Self.decimal(decimals + Array(repeating: UInt8(ascii: "0"), count: 9 - decimals.count))
            else { throw Malformed(problem: "its PAX \(keyword) is no time that can be kept") }
            nanoseconds += fraction
        }
        return Int64(isNegative ? -nanoseconds : nanoseconds)
    }

    /// Decimal digits and nothing else, at most 2^50.
    static func number(_ digits: some Collection<UInt8>, _ keyword: String) throws(Malformed) -> Int {
        guard let number = self.decimal(digits), number <= 1 << 50 else {
            throw Malformed(problem: "its PAX \(keyword) is no number that can be kept")
        }
        return number
    }

    private static func isDigits(_ bytes: some Collection<UInt8>) -> Bool {
        bytes.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    private static func decimal(_ digits: some Collection<UInt8>) -> Int? {
        guard !digits.isEmpty, digits.count <= 18, self.isDigits(digits) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }
}

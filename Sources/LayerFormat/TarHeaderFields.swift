/// What a member's tar header says, and which of it needs PAX records.
struct TarHeaderFields: ~Copyable {
    private let path: UnsafeBufferPointer<UInt8>
    private let target: UnsafeBufferPointer<UInt8>
    private let kind: MemberKind
    private let mode: UInt16
    private let size: Int
    private let mtime: Int64
    /// Where the path is split into prefix and name: 0 if it fits the name, `nil` if it fits neither way.
    private let split: Int?

    private static let nanosecondsPerSecond: Int64 = 1_000_000_000
    private static let nameSize = 100
    private static let prefixSize = 155

    init(
        path: UnsafeBufferPointer<UInt8>,
        target: UnsafeBufferPointer<UInt8>,
        kind: MemberKind,
        mode: UInt16,
        size: Int,
        mtime: Int64
    ) {
        self.path = path
        self.target = target
        self.kind = kind
        self.mode = mode
        self.size = size
        self.mtime = mtime
        self.split = Self.split(path, isDirectory: kind == .directory)
    }

    private static func split(_ path: UnsafeBufferPointer<UInt8>, isDirectory: Bool) -> Int? {
        let length = path.count + (isDirectory ? 1 : 0)
        guard length > self.nameSize else { return 0 }
        var position = max(1, length - self.nameSize - 1)
        while position <= self.prefixSize, position < path.count - 1 {
            if path[position] == UInt8(ascii: "/") { return position }
            position += 1
        }
        return nil
    }

    private var needsPath: Bool { self.split == nil }
    private var needsTarget: Bool { self.target.count > Self.nameSize }
    private var needsSize: Bool { self.size > CanonicalTar.largestOctal }
    private var needsTime: Bool {
        self.mtime < 0 || self.mtime % Self.nanosecondsPerSecond != 0
            || self.mtime / Self.nanosecondsPerSecond > Int64(CanonicalTar.largestOctal)
    }

    private var needsRecords: Bool { self.needsPath || self.needsTarget || self.needsSize || self.needsTime }

    /// The number of bytes that ``append(to:)`` appends.
    var encodedSize: Int {
        guard self.needsRecords else { return CanonicalTar.blockSize }
        return 2 * CanonicalTar.blockSize + CanonicalTar.paddedSize(self.records().count)
    }

    /// Appends the PAX header, if one is needed, and the ustar header.
    func append(to bytes: inout [UInt8]) {
        if self.needsRecords {
            let records = self.records()
            Self.appendBlock(to: &bytes) { block in
                block.set("PaxHeaders/".utf8, at: 0, room: Self.nameSize)
                block.set(self.lastComponent.prefix(Self.nameSize - 11), at: 11, room: Self.nameSize - 11)
                block.setOctal(0o644, at: 100, digits: 7)
                block.setOctal(records.count, at: 124, digits: 11)
                block.setOctal(0, at: 136, digits: 11)
                block.bytes[156] = UInt8(ascii: "x")
            }
            bytes.append(contentsOf: records)
            bytes.append(contentsOf: repeatElement(0, count: CanonicalTar.paddedSize(records.count) - records.count))
        }
        Self.appendBlock(to: &bytes) { block in
            self.setName(in: &block)
            block.setOctal(Int(self.mode), at: 100, digits: 7)
            block.setOctal(self.needsSize ? 0 : self.size, at: 124, digits: 11)
            let seconds = self.needsTime ? max(0, self.mtime) / Self.nanosecondsPerSecond : self.mtime / 1_000_000_000
            block.setOctal(min(Int(seconds), CanonicalTar.largestOctal), at: 136, digits: 11)
            block.bytes[156] = self.typeFlag
            block.set(self.target.prefix(Self.nameSize), at: 157, room: Self.nameSize)
        }
    }

    private var typeFlag: UInt8 {
        switch self.kind {
        case .file: UInt8(ascii: "0")
        case .hardlink: UInt8(ascii: "1")
        case .symlink: UInt8(ascii: "2")
        case .directory: UInt8(ascii: "5")
        }
    }

    private var lastComponent: UnsafeBufferPointer<UInt8>.SubSequence {
        guard let slash = self.path.lastIndex(of: UInt8(ascii: "/")) else { return self.path[...] }
        return self.path[(slash + 1)...]
    }

    /// Fills in name and prefix; the name that stands beside a PAX path is the start of the last component.
    private func setName(in block: inout TarBlock) {
        let isDirectory = self.kind == .directory
        var name = self.lastComponent.prefix(isDirectory ? Self.nameSize - 1 : Self.nameSize)
        if let split = self.split {
            name = split == 0 ? self.path[...] : self.path[(split + 1)...]
            if split > 0 { block.set(self.path[..<split], at: 345, room: Self.prefixSize) }
        }
        block.set(name, at: 0, room: Self.nameSize)
        if isDirectory { block.bytes[name.count] = UInt8(ascii: "/") }
    }

    private func records() -> [UInt8] {
        var records: [UInt8] = []
        let isText =
            (!self.needsPath || String(validating: self.path, as: UTF8.self) != nil)
            && (!self.needsTarget || String(validating: self.target, as: UTF8.self) != nil)
        if !isText { Self.appendRecord("hdrcharset", "BINARY".utf8, to: &records) }
        if self.needsPath {
            let path = Array(self.path) + (self.kind == .directory ? [UInt8(ascii: "/")] : [])
            Self.appendRecord("path", path, to: &records)
        }
        if self.needsTarget { Self.appendRecord("linkpath", self.target, to: &records) }
        if self.needsSize { Self.appendRecord("size", "\(self.size)".utf8, to: &records) }
        if self.needsTime { Self.appendRecord("mtime", Self.decimalSeconds(self.mtime).utf8, to: &records) }
        return records
    }

    /// Nanoseconds as seconds with nine decimals; the sign stands for the whole number.
    private static func decimalSeconds(_ time: Int64) -> String {
        let parts = time.magnitude.quotientAndRemainder(dividingBy: self.nanosecondsPerSecond.magnitude)
        let fraction = String(parts.remainder)
        let zeros = String(repeating: "0", count: 9 - fraction.count)
        return "\(time < 0 ? "-" : "")\(parts.quotient).\(zeros)\(fraction)"
    }

    /// Appends `<length> <keyword>=<value>\n`; the length counts its own digits.
    private static func appendRecord(_ keyword: String, _ value: some Collection<UInt8>, to records: inout [UInt8]) {
        let rest = keyword.utf8.count + value.count + 3
        var length = rest + 1
        while length != rest + String(length).utf8.count { length = rest + String(length).utf8.count }
        records.append(contentsOf: "\(length) \(keyword)=".utf8)
        records.append(contentsOf: value)
        records.append(UInt8(ascii: "\n"))
    }

    private static func appendBlock(to bytes: inout [UInt8], _ fill: (inout TarBlock) -> Void) {
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: CanonicalTar.blockSize))
        bytes.withUnsafeMutableBytes { buffer in
            var block = TarBlock(bytes: UnsafeMutableRawBufferPointer(rebasing: buffer[start...]))
            fill(&block)
            block.finish()
        }
    }
}

/// One header block that is being filled in; it starts out as zeros.
private struct TarBlock {
    let bytes: UnsafeMutableRawBufferPointer

    func set(_ value: some Collection<UInt8>, at offset: Int, room: Int) {
        var position = offset
        for byte in value.prefix(room) {
            self.bytes[position] = byte
            position += 1
        }
    }

    func setOctal(_ value: Int, at offset: Int, digits: Int) {
        var rest = value
        for position in (offset..<(offset + digits)).reversed() {
            self.bytes[position] = UInt8(ascii: "0") + UInt8(rest & 7)
            rest >>= 3
        }
    }

    /// Sets what all headers share, and the checksum.
    func finish() {
        self.setOctal(0, at: 108, digits: 7)
        self.setOctal(0, at: 116, digits: 7)
        self.set("ustar".utf8, at: 257, room: 5)
        self.set("00".utf8, at: 263, room: 2)
        self.setOctal(0, at: 329, digits: 7)
        self.setOctal(0, at: 337, digits: 7)
        self.set("        ".utf8, at: 148, room: 8)
        let sum = self.bytes.reduce(0) { $0 + Int($1) }
        self.setOctal(sum, at: 148, digits: 6)
        self.bytes[154] = 0
    }
}

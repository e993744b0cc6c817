import LayerFormat
import LayerKernels
import Testing

struct CanonicalTarTests {
    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// A member list with every shape of header, and content for its files.
    private static func members() -> MemberList {
        var members: [Member] = [Member(path: self.bytes("d"), kind: .directory, mode: 0o750)]
        for length in [1, 99, 100, 101, 155, 156, 157, 254, 255, 256, 257, 1_000] {
            let name = String(repeating: "n", count: min(length, 255))
            let path = length <= 255 ? name : "\(name)/\(String(repeating: "m", count: min(255, length - 255)))"
            members.append(Member(path: self.bytes("f\(length)/\(path)"), kind: .file, mode: 0o644, size: length))
            members.append(Member(path: self.bytes("e\(length)/\(path)"), kind: .directory, mode: 0o755))
            members.append(
                Member(path: self.bytes("l\(length)"), kind: .symlink, mode: 0o777, target: self.bytes(path))
            )
        }
        members.append(
            Member(path: [0xff, 0xfe] + self.bytes(String(repeating: "z", count: 120)), kind: .file, mode: 0o600)
        )
        members.append(Member(path: self.bytes("h"), kind: .hardlink, mode: 0, target: self.bytes("f1/n")))
        return MemberList(sorting: members)
    }

    private static func tar(of members: MemberList, mtimes: [Int64]? = nil) -> [UInt8] {
        var tar: [UInt8] = []
        for index in members.indices {
            CanonicalTar.appendHeader(of: members, at: index, mtime: mtimes?[index], to: &tar)
            let size = members.size(at: index)
            tar += [UInt8](repeating: 7, count: size)
            tar += [UInt8](repeating: 0, count: CanonicalTar.paddedSize(size) - size)
        }
        return tar + [UInt8](repeating: 0, count: CanonicalTar.endMarkerSize)
    }

    private static func read(_ tar: [UInt8], limits: TarLimits = TarLimits()) throws -> [TarEntry] {
        var position = 0
        let reader = TarReader(limits: limits) { buffer in
            let count = min(buffer.count, tar.count - position, Int.random(in: 1...5_000))
            buffer.copyBytes(from: tar[position..<(position + count)])
            position += count
            return count
        }
        var entries: [TarEntry] = []
        while let entry = try reader.next() { entries.append(entry) }
        return entries
    }

    @Test func `our reader gives back what our writer wrote`() throws {
        let members = Self.members()
        let entries = try Self.read(Self.tar(of: members))
        #expect(entries.map(\.member) == members.indices.map { members[$0] })
        #expect(entries.allSatisfy { $0.mtime == 0 && $0.extents == nil })
    }

    @Test func `sizes and offsets are those of the bytes`() throws {
        let members = Self.members()
        let tar = Self.tar(of: members)
        let layout = StreamLayout(of: members)
        #expect(CanonicalTar.streamSize(of: members) == tar.count)
        #expect(layout.size == tar.count)
        for (index, entry) in try Self.read(tar).enumerated() {
            var header: [UInt8] = []
            CanonicalTar.appendHeader(of: members, at: index, mtime: nil, to: &header)
            #expect(header.count == CanonicalTar.headerSize(of: members, at: index))
            #expect(layout.contentOffset(of: index) == entry.contentOffset)
            #expect(layout.contentOffset(of: index) == layout.headerOffset(of: index) + header.count)
            #expect(layout.member(at: layout.headerOffset(of: index)) == index)
            #expect(layout.member(at: layout.contentOffset(of: index) - 1) == index)
        }
        #expect(layout.member(at: layout.size - 1_024) == nil)
    }

    @Test func `a plain header is the one of the ustar standard`() {
        var header: [UInt8] = []
        let members = MemberList(sorting: [Member(path: Self.bytes("a"), kind: .file, mode: 0o755, size: 10)])
        CanonicalTar.appendHeader(of: members, at: 0, mtime: nil, to: &header)
        let fields = header.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        #expect(
            fields == [
                "a", "0000755", "0000000", "0000000", "00000000012", "00000000000", "007344", " 0", "ustar", "00",
                "0000000", "0000000",
            ]
        )
    }

    @Test func `a hardlink's header repeats the mode of its file`() {
        let members = Self.members()
        for index in members.indices where members.kind(at: index) == .hardlink {
            var header: [UInt8] = []
            CanonicalTar.appendHeader(of: members, at: index, mtime: nil, to: &header)
            #expect(Array(header[100..<107]) == Self.bytes("0000644"))
        }
    }

    @Test func `a size of 8 GiB and more stands in a PAX record`() throws {
        for size in [(8 << 30) - 1, 8 << 30, 1 << 45] {
            let members = MemberList(sorting: [Member(path: Self.bytes("big"), kind: .file, mode: 0o644, size: size)])
            var header: [UInt8] = []
            CanonicalTar.appendHeader(of: members, at: 0, mtime: nil, to: &header)
            #expect(header.count == (size < 8 << 30 ? 512 : 1_536))
            let reader = TarReader(
                limits: TarLimits(totalSize: 1 << 50),
                read: { buffer in
                    let count = min(buffer.count, header.count)
                    buffer.copyBytes(from: header[..<count])
                    header.removeFirst(count)
                    return count
                },
                skip: { $0 }
            )
            #expect(try reader.next()?.member == members[0])
        }
    }

    @Test(arguments: [
        0, 1, -1, 1_000_000_000, -1_000_000_000, 1_234_567_890_123_456_789, -1_234_567_890_000_000_001,
        8_589_934_591_000_000_000, 8_589_934_592_000_000_000, Int64.min / 2,
    ])
    func `the exact form keeps any time`(time: Int64) throws {
        let members = MemberList(sorting: [Member(path: Self.bytes("a"), kind: .file, mode: 0o644)])
        let tar = Self.tar(of: members, mtimes: [time])
        #expect(try Self.read(tar).map(\.mtime) == [time])
        let isWhole = time >= 0 && time % 1_000_000_000 == 0 && time <= 8_589_934_591_000_000_000
        #expect(tar.count == (isWhole ? 512 : 1_536) + 1_024)
    }

    @Test func `the exact tar is the same however the canonical one is split`() throws {
        let members = MemberList(sorting: [
            Member(path: Self.bytes("a.pyc"), kind: .file, mode: 0o644, size: 600),
            Member(path: Self.bytes("b.pyc"), kind: .file, mode: 0o644, size: 16),
            Member(path: Self.bytes("c.pyc"), kind: .file, mode: 0o644, size: 12),
            Member(path: Self.bytes("d"), kind: .directory, mode: 0o755),
        ])
        let stamps = Stamps(
            mtimes: [1, 2_000_000_000, 3, 4],
            pycStamps: [.init(member: 1, value: 0x0102_0304), .init(member: 3, value: 0xfffe_fdfc)]
        )
        var expected = Self.tar(of: members, mtimes: stamps.mtimes)
        let entries = try Self.read(expected)
        expected.replaceSubrange(entries[1].contentOffset + 8..<entries[1].contentOffset + 12, with: [4, 3, 2, 1])
        expected.replaceSubrange(
            entries[3].contentOffset + 8..<entries[3].contentOffset + 12,
            with: [0xfc, 0xfd, 0xfe, 0xff]
        )
        let canonical = Self.tar(of: members)
        for piece in [1, 3, 9, 511, 512, 513, 100_000] {
            var writer = try ExactTarWriter(members: members, stamps: stamps)
            var exact: [UInt8] = []
            for start in stride(from: 0, to: canonical.count, by: piece) {
                try canonical[start..<min(start + piece, canonical.count)].withUnsafeBytes { bytes in
                    try writer.write(bytes) { exact += $0 }
                }
            }
            try writer.finish()
            #expect(exact == expected)
            #expect(writer.size == expected.count)
        }
    }

    @Test func `an exact tar of wrong stamps or a wrong stream is refused`() throws {
        let members = MemberList(sorting: [Member(path: Self.bytes("a"), kind: .file, mode: 0o644, size: 11)])
        #expect(throws: LayerFormatError.self) { try ExactTarWriter(members: members, stamps: Stamps(mtimes: [1, 2])) }
        #expect(throws: LayerFormatError.self) {
            try ExactTarWriter(members: members, stamps: Stamps(pycStamps: [.init(member: 0, value: 1)]))
        }
        let canonical = Self.tar(of: members)
        var writer = try ExactTarWriter(members: members, stamps: Stamps())
        try canonical.dropLast().withUnsafeBytes { try writer.write($0) { _ in } }
        #expect(throws: LayerFormatError.self) { try writer.finish() }
        #expect(throws: LayerFormatError.self) { try [0, 0].withUnsafeBytes { try writer.write($0) { _ in } } }
    }
}

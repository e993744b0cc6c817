import CacheModel
import LayerFormat

/// Bytes and trees to work on: the same ones in every run.
enum Inputs {
    /// Bytes that look like source text to a compressor: words of a small vocabulary.
    static func text(_ size: Int) -> [UInt8] {
        var state: UInt64 = 0x7461_726e
        var vocabulary: [[UInt8]] = []
        for _ in 0..<2_000 {
            vocabulary.append((0..<Int(self.next(&state) % 10 + 2)).map { _ in UInt8(self.next(&state) % 26 + 97) })
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size + 16)
        while bytes.count < size {
            bytes += vocabulary[Int(self.next(&state) % 2_000)]
            bytes.append(self.next(&state) % 8 == 0 ? 10 : 32)
        }
        bytes.removeLast(bytes.count - size)
        return bytes
    }

    /// Bytes that do not compress.
    static func noise(_ size: Int) -> [UInt8] {
        var state: UInt64 = 0x6e72_6174
        return (0..<size).map { _ in UInt8(truncatingIfNeeded: self.next(&state)) }
    }

    /// A tree like that of a virtual environment: `count` files, sixteen to a folder.
    static func members(_ count: Int) -> MemberList {
        var members = [Member(path: Array("venv".utf8), kind: .directory, mode: 0o755)]
        for number in 0..<count {
            let folder = "venv/lib/python3.11/site-packages/package\(number / 16)"
            if number % 16 == 0 { members.append(Member(path: Array(folder.utf8), kind: .directory, mode: 0o755)) }
            let path = Array("\(folder)/module\(number).py".utf8)
            members.append(Member(path: path, kind: .file, mode: 0o644, size: number * 37 % 20_000))
        }
        for folder in ["venv/lib", "venv/lib/python3.11", "venv/lib/python3.11/site-packages"] {
            members.append(Member(path: Array(folder.utf8), kind: .directory, mode: 0o755))
        }
        return MemberList(sorting: members)
    }

    private static func next(_ state: inout UInt64) -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}

import LayerFormat

/// Writes what there is to say as JSON; bytes of paths are written as hexadecimal digits, which no program misreads.
enum JSONText {
    static func object(_ entry: TarEntry) -> String {
        let member = entry.member
        let extents = entry.extents.map { extents in
            "[" + extents.map { "[\($0.lowerBound),\($0.count)]" }.joined(separator: ",") + "]"
        }
        return #"{"path":"\#(self.hexadecimal(member.path))","kind":"\#(member.kind)","mode":\#(member.mode)"#
            + #","size":\#(member.size)"#
            + #","target":"\#(self.hexadecimal(member.target))","mtime":\#(entry.mtime),"extents":\#(extents ?? "null")"#
            + #","header":\#(entry.headerOffset),"content":\#(entry.contentOffset),"stored":\#(entry.storedSize)}"#
    }

    static func string(_ text: [UInt8]) -> String {
        var result = "\""
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            if scalar == "\"" || scalar == "\\" {
                result += "\\\(scalar)"
            } else if scalar.value < 0x20 {
                result += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

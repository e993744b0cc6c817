internal import CacheModel
internal import LayerFormat

/// The message whose SHA-256 is a tree digest, record by record.
///
/// `TreeDigest` computes it; here it is written out, so that anybody can: `cachectl hash --zero PATH | sha256sum`.
enum TreeRecords {
    /// The first bytes of the message.
    static let heading: [UInt8] = Array("tarn-tree-1\n".utf8)

    /// The record of a member, with its terminators.
    static func record(of member: Member, digest: Digest?) -> [UInt8] {
        var record: [UInt8]
        switch member.kind {
        case .directory: record = Array("d \(Self.octal(member.mode)) ".utf8)
        case .file: record = Array("f \(Self.octal(member.mode)) \(member.size) \(digest?.description ?? "-") ".utf8)
        case .symlink: record = Array("l ".utf8)
        case .hardlink: record = Array("h ".utf8)
        }
        record += member.path
        record.append(0)
        guard member.kind == .symlink || member.kind == .hardlink else { return record }
        record += member.target
        record.append(0)
        return record
    }

    /// The record of a member as a line for people: escaped, with an arrow before the target of a link.
    static func line(of member: Member, digest: Digest?) -> String {
        let parts = Self.record(of: member, digest: digest).dropLast().split(separator: 0)
        return parts.map { Member.display(Array($0)) }.joined(separator: " -> ")
    }

    /// Permission bits as four octal digits.
    static func octal(_ mode: UInt16) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

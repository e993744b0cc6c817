internal import CacheModel
internal import LayerFormat

/// Looks for secrets in what is about to be saved: whoever may read a cache may read all of it.
///
/// Names come first. A file is opened only if its name makes it a candidate, and only its beginning is read. What is
/// inside archives is not looked at, nor are sources of programs.
public enum SecretScan {
    /// The most bytes of a file that are looked at.
    private static let limit = 1 << 20

    /// The files of a source that seem to hold secrets, in the source's order.
    ///
    /// - Parameters:
    ///   - source: The members and their bytes.
    ///   - anchor: The absolute directory that the members' paths are relative to.
    /// - Returns: At most one finding of each kind for a file.
    /// - Throws: What the source's reader throws.
    public static func findings(in source: some LayerSource, anchor: String) throws -> [FoundSecret] {
        let members = source.members
        let prefix = anchor == "/" ? "/" : "\(anchor)/"
        let reader = try source.makeReader()
        var findings: [FoundSecret] = []
        var originals: [[UInt8]: Int]?
        for index in members.indices {
            let kind = members.kind(at: index)
            guard kind == .file || kind == .hardlink else { continue }
            guard members.withPath(at: index, SecretNames.mayMatter) else { continue }
            var file = index
            if kind == .hardlink {
                // The bytes are those of the first name, which may look harmless.
                let known = originals ?? Self.positions(of: members)
                originals = known
                guard let original = known[members.target(at: index)] else { continue }
                file = original
            }
            let size = members.size(at: file)
            let checks = members.withPath(at: index) { SecretNames.checks(for: $0, anchor: anchor, size: size) }
            guard !checks.isEmpty else { continue }
            let path = prefix + Member.display(members.path(at: index))
            guard !SecretNames.isPublishedFixture(path) else { continue }
            let hits = SecretText(try Self.read(file, min(size, Self.limit), from: reader)).hits(checks)
            findings += hits.map { FoundSecret(path: path, kind: $0.kind, what: $0.what, line: $0.line) }
        }
        return findings
    }

    private static func positions(of members: MemberList) -> [[UInt8]: Int] {
        var positions: [[UInt8]: Int] = [:]
        for index in members.indices where members.kind(at: index) == .file {
            positions[members.path(at: index)] = index
        }
        return positions
    }

    private static func read(_ index: Int, _ count: Int, from reader: any LayerReader) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let size = try bytes.withUnsafeMutableBytes { try reader.readContent(ofMember: index, at: 0, into: $0) }
        return Array(bytes.prefix(size))
    }
}

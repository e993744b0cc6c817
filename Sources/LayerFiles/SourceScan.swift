public import CacheModel
public import LayerFormat
internal import LayerKernels

/// The digests of a source whose content was not hashed yet, such as a tar that somebody sent.
public struct SourceScan: Sendable {
    /// The digest of each file's normalised content, in member order.
    public let contentDigests: [Digest]
    /// The digest over members and content.
    public let treeDigest: Digest
    /// The source's stamps, with those of its `.pyc` files.
    public let stamps: Stamps

    /// Reads and hashes every file of a source, on the calling thread.
    ///
    /// - Throws: What the source's reader throws.
    public init(hashing source: some LayerSource) throws {
        let members = source.members
        let reader = try source.makeReader()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1_024, alignment: 4_096)
        defer { buffer.deallocate() }
        var hasher = SHA256()
        var digests: [Digest] = []
        var stamps = source.stamps
        stamps.pycStamps = []
        for index in members.indices where members.kind(at: index) == .file {
            let size = members.size(at: index)
            var offset = 0
            while offset < size {
                let room = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, size - offset)])
                let count = try reader.readContent(ofMember: index, at: offset, into: room)
                guard count == room.count else {
                    throw TreeError(
                        .changed,
                        "'\(Member.display(members.path(at: index)))' is shorter than its header says"
                    )
                }
                let mayHaveStamp = members.withPath(at: index) { PycHeader.mayHaveStamp(path: $0, size: size) }
                if offset == 0, mayHaveStamp, let stamp = PycHeader.stamp(in: UnsafeRawBufferPointer(room)) {
                    stamps.pycStamps.append(.init(member: index, value: stamp))
                    PycHeader.setStamp(0, in: room)
                }
                hasher.update(UnsafeRawBufferPointer(room))
                offset += count
            }
            digests.append(hasher.finish())
        }
        self.contentDigests = digests
        self.treeDigest = TreeDigest.digest(of: members, contentDigests: digests)
        self.stamps = stamps
    }
}

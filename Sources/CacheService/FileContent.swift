package import CacheModel
internal import LayerFiles
internal import LayerFormat
internal import NIOCore
internal import StorageInterface

extension CacheService {
    /// One file of a layer, as a restore would write it.
    ///
    /// - Parameters:
    ///   - entry: The entry; its bytes are protected while they are read.
    ///   - index: Which of its layers.
    ///   - path: The member's path, as it stands in the layer.
    /// - Returns: The file's bytes; chunks are fetched one after another.
    /// - Throws: ``CacheModel/CacheError`` with code `notFound` if the layer has no such file.
    package func fileContent(of entry: Entry, layer index: Int, path: [UInt8]) async throws -> LayerContent {
        let layer = try entry.layer(at: index)
        let lease = LayerLease(self, entry: entry.id, [layer.recipe])
        let recipe = try await self.recipe(of: layer, in: entry.contents)
        let stamps = try await self.stamps(of: layer, recipe, in: entry.contents)
        guard let member = recipe.members.file(at: path) else {
            throw CacheError(
                .notFound,
                "layer \(index) of entry '\(entry.key)' has no file '\(Member.display(path))'; "
                    + "list its files with cachectl show --members"
            )
        }
        let size = recipe.members.size(at: member)
        let start = StreamLayout(of: recipe.members).contentOffset(of: member)
        let records = try await self.describe(recipe.chunks.map(\.digest), in: entry.contents)
        let source = FileSource(
            service: self,
            records: records,
            range: start..<start + size,
            stamp: stamps.pycStamps.first { $0.member == member }?.value,
            lease: lease
        )
        return LayerContent(size: size, pieces: AsyncThrowingStream { try await source.next() })
    }
}

extension MemberList {
    /// The position of the file with this path; a hardlink leads to the file that it is another name of.
    func file(at path: [UInt8]) -> Int? {
        guard let index = self.indices.first(where: { self.path(at: $0) == path && self.kind(at: $0) != .directory })
        else { return nil }
        switch self.kind(at: index) {
        case .file: return index
        case .hardlink: return self.file(at: self.target(at: index))
        case .directory, .symlink: return nil
        }
    }
}

/// A range of a layer's canonical tar, chunk by chunk.
private actor FileSource {
    private let service: CacheService
    private let lease: LayerLease
    private var pending: [(record: BlobRecord, range: Range<Int>)]
    private var stamp: UInt32?

    init(service: CacheService, records: [BlobRecord], range: Range<Int>, stamp: UInt32?, lease: LayerLease) {
        self.service = service
        self.lease = lease
        self.stamp = stamp
        var offset = 0
        self.pending = records.compactMap { record in
            defer { offset += record.size }
            let overlap = range.clamped(to: offset..<offset + record.size)
            return overlap.isEmpty ? nil : (record, overlap.lowerBound - offset..<overlap.upperBound - offset)
        }
        self.pending.reverse()
    }

    func next() async throws -> ByteBuffer? {
        guard let (record, range) = self.pending.popLast() else { return nil }
        self.lease.renew()
        var bytes = Array(try await self.service.read(record, limit: Recipe.maximumChunkSize)[range])
        if let stamp = self.stamp {
            // The first 16 bytes may be spread over two chunks only if a chunk ends there, so take what is missing.
            while bytes.count < PycHeader.size, let (record, range) = self.pending.popLast() {
                bytes += try await self.service.read(record, limit: Recipe.maximumChunkSize)[range]
            }
            bytes.withUnsafeMutableBytes { PycHeader.setStamp(stamp, in: $0) }
            self.stamp = nil
        }
        return ByteBuffer(bytes: bytes)
    }
}

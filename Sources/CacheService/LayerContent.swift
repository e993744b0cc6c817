package import CacheModel
internal import LayerFormat
internal import LayerKernels
package import NIOCore
internal import StorageInterface

/// A whole layer as a download.
package struct LayerContent: Sendable {
    /// The number of bytes, if it is known before they are made.
    package var size: Int?
    /// The bytes; whoever iterates decides the pace.
    package var pieces: AsyncThrowingStream<ByteBuffer, any Error>
}

/// Which bytes a download of a layer has.
package enum LayerForm: String, Hashable, Sendable, CaseIterable {
    /// The saved times and `.pyc` stamps are in the tar: what `tar x` makes of it is what was saved.
    case exact
    /// The canonical tar, all times 0: the bytes as they are stored.
    case canonical
}

/// How a download of a layer is compressed.
package enum LayerEncoding: String, Hashable, Sendable, CaseIterable {
    case tar = "tar"
    case gzip = "tar.gz"
    case zstd = "tar.zst"
}

extension CacheService {
    /// The bytes of the stored frames of a layer, for announcing the size of its canonical `.tar.zst`.
    package func canonicalSize(of entry: Entry, layer index: Int) async throws -> Int {
        try await self.chunkRecords(of: entry, layer: index).reduce(0) { $0 + $1.storedSize }
    }

    /// A whole layer, in one of its forms.
    ///
    /// - Parameters:
    ///   - entry: The entry; its bytes are protected while they are read.
    ///   - index: Which of its layers.
    ///   - form: With the saved times, or as it is stored.
    ///   - encoding: How the tar is compressed.
    ///   - range: Which bytes of the stored frames; only for the canonical form as zstd.
    /// - Returns: The bytes. All chunks are known to exist before the first is produced.
    /// - Throws: ``CacheModel/CacheError`` with code `notFound` if the entry has no such layer.
    package func layerContent(
        of entry: Entry,
        layer index: Int,
        form: LayerForm,
        encoding: LayerEncoding,
        range: Range<Int>? = nil
    ) async throws -> LayerContent {
        let layer = try entry.layer(at: index)
        let lease = LayerLease(self, entry: entry.id, [layer.recipe])
        let records = try await self.chunkRecords(of: entry, layer: index)
        try await self.verify(records)
        if form == .canonical, encoding == .zstd {
            let frames = FrameSource(service: self, records: records, range: range, lease: lease)
            return LayerContent(
                size: range?.count ?? records.reduce(0) { $0 + $1.storedSize },
                pieces: AsyncThrowingStream { try await frames.next() }
            )
        }
        let tar: TarSource
        var size: Int?
        switch form {
        case .canonical:
            tar = TarSource(service: self, records: records, writer: nil, lease: lease)
            size = layer.size
        case .exact:
            let recipe = try await self.recipe(of: layer, in: entry.contents)
            let stamps = try await self.stamps(of: layer, recipe, in: entry.contents)
            let writer = try ExactTarWriter(members: recipe.members, stamps: stamps)
            size = writer.size
            tar = TarSource(service: self, records: records, writer: writer, lease: lease)
        }
        guard encoding != .tar else {
            return LayerContent(size: size, pieces: AsyncThrowingStream { try await tar.next() })
        }
        let compressed = CompressedSource(tar, encoding, service: self)
        return LayerContent(size: nil, pieces: AsyncThrowingStream { try await compressed.next() })
    }

    func chunkRecords(of entry: Entry, layer index: Int) async throws -> [BlobRecord] {
        let recipe = try await self.recipe(of: entry.layer(at: index), in: entry.contents)
        return try await self.describe(recipe.chunks.map(\.digest), in: entry.contents)
    }
}

extension Entry {
    /// Where to look for what the entry lists: whoever has found an entry may read all of it.
    var contents: Vantage { Vantage(self.project, scopes: nil) }

    /// One layer of the entry.
    func layer(at index: Int) throws -> Layer {
        guard self.layers.indices.contains(index) else {
            throw CacheError(
                .notFound,
                "entry '\(self.key)' has \(self.layers.count) layers, there is no layer \(index)"
            )
        }
        return self.layers[index]
    }
}

/// Protects layers for as long as somebody holds on to this.
final class LayerLease: Sendable {
    private let service: CacheService
    private let name: String

    init(_ service: CacheService, entry: Int64, _ recipes: [Digest]) {
        self.service = service
        self.name = service.leases.take(entry: entry, recipes, at: service.now())
    }

    deinit { self.service.leases.end(self.name) }

    func renew() { self.service.renewLease(self.name) }
}

/// The stored frames of a layer one after another, or a range of them, in few large pieces.
private actor FrameSource {
    private let service: CacheService
    private let lease: LayerLease
    private let blobs: OpenBlobs
    /// Which bytes of each blob are wanted, the next one last.
    private var ranges: [Range<Int>]
    private var open: (content: BlobContent, rest: Range<Int>)?
    /// The last piece: its memory is used again if nobody else holds it any more.
    private var last = ByteBuffer()

    init(service: CacheService, records: [BlobRecord], range: Range<Int>?, lease: LayerLease) {
        self.service = service
        self.lease = lease
        var offset = 0
        let wanted = range ?? 0..<Int.max
        let parts = records.compactMap { record -> (record: BlobRecord, range: Range<Int>)? in
            defer { offset += record.storedSize }
            let overlap = wanted.clamped(to: offset..<offset + record.storedSize)
            return overlap.isEmpty ? nil : (record, overlap.lowerBound - offset..<overlap.upperBound - offset)
        }
        self.blobs = OpenBlobs(parts.map(\.record), of: service)
        self.ranges = parts.map(\.range).reversed()
    }

    func next() async throws -> ByteBuffer? {
        var piece = self.last
        self.last = ByteBuffer()
        piece.clear(minimumCapacity: CacheService.pieceSize)
        while piece.readableBytes < CacheService.pieceSize, let (content, rest) = try await self.current() {
            let end = min(rest.upperBound, rest.lowerBound + CacheService.pieceSize - piece.readableBytes)
            let range = rest.lowerBound..<end
            switch content {
            case .file(let file): try await self.service.read(range, of: file, into: &piece)
            case .bytes(let buffer): piece.writeImmutableBuffer(try buffer.part(range))
            }
            self.open = end < rest.upperBound ? (content, end..<rest.upperBound) : nil
        }
        guard piece.readableBytes > 0 else { return nil }
        self.last = piece
        return piece
    }

    private func current() async throws -> (content: BlobContent, rest: Range<Int>)? {
        if let open = self.open { return open }
        guard let range = self.ranges.popLast(), let (_, blob) = try await self.blobs.next() else { return nil }
        self.lease.renew()
        return (blob.content, range)
    }
}

/// The canonical tar of a layer chunk by chunk, or the exact tar made of it.
private actor TarSource {
    private let service: CacheService
    private let lease: LayerLease
    private var pending: [BlobRecord]
    private var writer: ExactTarWriter?

    init(service: CacheService, records: [BlobRecord], writer: ExactTarWriter?, lease: LayerLease) {
        self.service = service
        self.lease = lease
        self.pending = records.reversed()
        self.writer = writer
    }

    func next() async throws -> ByteBuffer? {
        while let record = self.pending.popLast() {
            self.lease.renew()
            let bytes = try await self.service.read(record, limit: Recipe.maximumChunkSize)
            let piece = try self.transform(bytes)
            if piece.readableBytes > 0 { return piece }
        }
        return nil
    }

    private func transform(_ bytes: [UInt8]) throws -> ByteBuffer {
        guard var writer = self.writer else { return ByteBuffer(bytes: bytes) }
        self.writer = nil
        var exact: [UInt8] = []
        exact.reserveCapacity(bytes.count + 65_536)
        try bytes.withUnsafeBytes { try writer.write($0) { exact.append(contentsOf: $0) } }
        self.writer = writer
        return ByteBuffer(bytes: exact)
    }
}

/// A tar compressed while it is sent.
private actor CompressedSource {
    private let tar: TarSource
    private let service: CacheService
    private let gzip: GzipStream?
    private var isAtEnd = false

    init(_ tar: TarSource, _ encoding: LayerEncoding, service: CacheService) {
        self.tar = tar
        self.service = service
        self.gzip = encoding == .gzip ? GzipStream() : nil
    }

    func next() async throws -> ByteBuffer? {
        while !self.isAtEnd {
            let piece = try await self.tar.next()
            self.isAtEnd = piece == nil
            let compressed = try await self.compress(piece)
            if compressed.readableBytes > 0 { return compressed }
        }
        return nil
    }

    private func compress(_ piece: ByteBuffer?) async throws -> ByteBuffer {
        if let gzip = self.gzip { return try await self.service.offload { try gzip.next(piece) } }
        guard let piece else { return ByteBuffer() }
        let level = self.service.configuration.compressionLevel
        return try await self.service.offload {
            var codec = FrameCodec(level: level)
            return ByteBuffer(bytes: try codec.compress(Array(piece.readableBytesView)))
        }
    }
}

/// A gzip stream that moves from thread to thread.
///
/// Sound to share: the one actor that owns it awaits each call before it makes the next.
private final class GzipStream: @unchecked Sendable {
    private let compressor = GzipCompressor()

    /// Compresses a piece, or ends the stream with `nil`.
    func next(_ piece: ByteBuffer?) throws -> ByteBuffer {
        var output = ByteBuffer()
        if let piece {
            try piece.withUnsafeReadableBytes { try self.compressor.write($0) { output.writeBytes($0) } }
        } else {
            try self.compressor.finish { output.writeBytes($0) }
        }
        return output
    }
}

extension ByteBuffer {
    /// A range of the readable bytes.
    fileprivate func part(_ range: Range<Int>) throws -> ByteBuffer {
        guard let slice = self.getSlice(at: self.readerIndex + range.lowerBound, length: range.count) else {
            throw CacheError(.corrupt, "a blob has only \(self.readableBytes) bytes")
        }
        return slice
    }
}

public import LayerFormat
public import LayerKernels

/// The canonical tar of a source, cut into chunks, one after the other.
///
/// Memory is bounded by a few windows whatever the size of the tree. Files are read straight into the window that the
/// chunks are cut from; holes are not read at all. A stream belongs to one thread; its chunks may go to others.
public final class LayerStream {
    private let members: MemberList
    private let sparseFiles: [Stamps.SparseFile]
    private let reader: any LayerReader
    private let cutter: ChunkCutter
    private let known: KnownChunks?
    private let pool: WindowPool
    private var window: StreamWindow
    private var position = 0
    private var filled = 0
    private var offset = 0

    private var nextMember = 0
    private var nextSparse = 0
    /// Bytes that are ready and come next: a header, and the beginning of a file in rare cases.
    private var pending: [UInt8] = []
    private var pendingStart = 0
    /// The file whose content comes after the pending bytes.
    private var file = 0
    private var fileOffset = 0
    private var fileSize = 0
    private var extents: [Range<Int>]?
    private var nextExtent = 0
    private var padding = 0
    private var isEnded = false
    private lazy var layout = StreamLayout(of: self.members)

    /// Starts a stream.
    ///
    /// - Parameters:
    ///   - source: The members and their bytes.
    ///   - cutter: Where to cut.
    ///   - known: The chunks that ``nextKnown()`` may pass over.
    /// - Throws: What the source throws that cannot be read.
    public init(source: some LayerSource, cutter: ChunkCutter = .layers, known: KnownChunks? = nil) throws {
        self.known = known
        self.members = source.members
        self.sparseFiles = source.stamps.sparseFiles
        self.reader = try source.makeReader()
        self.cutter = cutter
        self.pool = WindowPool(size: cutter.maximumSize * 4)
        self.window = StreamWindow(self.pool)
    }

    /// The next chunk, or `nil` at the end.
    ///
    /// - Throws: ``TreeError`` that names the file, for example one that changed since the scan; the stream is useless
    ///   afterwards.
    public func next() throws -> RawChunk? {
        if self.window.bytes.count - self.position < self.cutter.maximumSize { self.startWindow() }
        let wanted = self.position + self.cutter.maximumSize
        if self.filled < wanted {
            self.filled += try self.fill(
                UnsafeMutableRawBufferPointer(rebasing: self.window.bytes[self.filled..<wanted])
            )
        }
        guard self.filled > self.position else { return nil }
        let bytes = UnsafeRawBufferPointer(rebasing: self.window.bytes[self.position..<min(self.filled, wanted)])
        let count = self.cutter.firstCut(in: bytes)
        let chunk = RawChunk(offset: self.offset, window: self.window, range: self.position..<self.position + count)
        self.position += count
        self.offset += count
        return chunk
    }

    /// Passes over the next chunk if it is known, without reading it.
    ///
    /// - Returns: The chunk; `nil` if it is not known, and ``next()`` has to read it.
    /// - Throws: ``TreeError``, as ``next()`` does.
    public func nextKnown() throws -> ChunkReference? {
        guard let chunk = self.known?.chunk(at: self.offset) else { return nil }
        self.offset += chunk.size
        if self.filled - self.position >= chunk.size {
            self.position += chunk.size
        } else {
            // The rest of the window was read ahead for nothing.
            self.position = self.filled
            try self.seek(to: self.offset)
        }
        return chunk
    }

    /// Lets the stream go on at an offset behind all that was read.
    private func seek(to target: Int) throws {
        let layout = self.layout
        guard let member = layout.member(at: target) else {
            (self.nextMember, self.isEnded) = (self.members.count, true)
            self.pending.removeAll(keepingCapacity: true)
            (self.pendingStart, self.fileOffset, self.fileSize) = (0, 0, 0)
            self.padding = layout.size - target
            return
        }
        while self.nextSparse < self.sparseFiles.count, self.sparseFiles[self.nextSparse].member < member {
            self.nextSparse += 1
        }
        (self.nextMember, self.fileOffset, self.fileSize, self.padding) = (member, 0, 0, 0)
        try self.startMember()
        let start = layout.contentOffset(of: member)
        guard target >= start else {
            self.pendingStart = target - layout.headerOffset(of: member)
            return
        }
        self.pendingStart = self.pending.count
        let inside = target - start
        if inside > 0, inside < PycHeader.size, self.members.withPath(at: member, { self.mayHaveStamp($0) }) {
            _ = try self.takeSplitHeader()
            self.pendingStart = inside
        } else {
            self.fileOffset = min(inside, self.fileSize)
            self.padding -= inside - self.fileOffset
        }
    }

    /// Goes on in a new window; what is not cut yet moves along.
    private func startWindow() {
        let next = StreamWindow(self.pool)
        let rest = self.position..<self.filled
        next.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: self.window.bytes[rest]))
        self.window = next
        self.position = 0
        self.filled = rest.count
    }

    /// Writes the next bytes of the stream until the buffer is full or the stream ends.
    private func fill(_ buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        var done = 0
        while done < buffer.count {
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            if self.pendingStart < self.pending.count {
                done += self.takePending(room)
            } else if self.fileOffset < self.fileSize {
                done += try self.takeContent(room)
            } else if self.padding > 0 {
                let count = min(self.padding, room.count)
                UnsafeMutableRawBufferPointer(rebasing: room[..<count]).initializeMemory(as: UInt8.self, repeating: 0)
                self.padding -= count
                done += count
            } else if self.nextMember < self.members.count {
                try self.startMember()
            } else if !self.isEnded {
                self.isEnded = true
                self.padding = CanonicalTar.endMarkerSize
            } else {
                break
            }
        }
        return done
    }

    private func takePending(_ room: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(self.pending.count - self.pendingStart, room.count)
        self.pending.withUnsafeBytes { pending in
            room.copyMemory(from: UnsafeRawBufferPointer(rebasing: pending[self.pendingStart...].prefix(count)))
        }
        self.pendingStart += count
        return count
    }

    private func startMember() throws {
        let index = self.nextMember
        self.nextMember += 1
        self.pending.removeAll(keepingCapacity: true)
        self.pendingStart = 0
        CanonicalTar.appendHeader(of: self.members, at: index, mtime: nil, to: &self.pending)
        guard self.members.kind(at: index) == .file else { return }
        self.file = index
        self.fileOffset = 0
        self.fileSize = self.members.size(at: index)
        self.padding = CanonicalTar.paddedSize(self.fileSize) - self.fileSize
        self.extents = nil
        self.nextExtent = 0
        if self.nextSparse < self.sparseFiles.count, self.sparseFiles[self.nextSparse].member == index {
            // The few `.pyc` files with holes are read as a whole, for their header's sake.
            let isRead = self.members.withPath(at: index) { self.mayHaveStamp($0) }
            self.extents = isRead ? nil : self.sparseFiles[self.nextSparse].extents
            self.nextSparse += 1
        }
    }

    private func takeContent(_ room: UnsafeMutableRawBufferPointer) throws -> Int {
        if let extents = self.extents { return try self.takeSparseContent(room, extents) }
        let count = min(self.fileSize - self.fileOffset, room.count)
        if self.fileOffset == 0, self.members.withPath(at: self.file, { self.mayHaveStamp($0) }) {
            if count < PycHeader.size { return try self.takeSplitHeader() }
            try self.read(UnsafeMutableRawBufferPointer(rebasing: room[..<count]))
            if PycHeader.stamp(in: UnsafeRawBufferPointer(room)) != nil { PycHeader.setStamp(0, in: room) }
            return count
        }
        try self.read(UnsafeMutableRawBufferPointer(rebasing: room[..<count]))
        return count
    }

    private func mayHaveStamp(_ path: UnsafeBufferPointer<UInt8>) -> Bool {
        PycHeader.mayHaveStamp(path: path, size: self.fileSize)
    }

    /// Reads the header of a `.pyc` apart, because its stamp may be on both sides of the window's end.
    private func takeSplitHeader() throws -> Int {
        var header = [UInt8](repeating: 0, count: PycHeader.size)
        try header.withUnsafeMutableBytes { header in
            try self.read(header)
            if PycHeader.stamp(in: UnsafeRawBufferPointer(header)) != nil { PycHeader.setStamp(0, in: header) }
        }
        self.pending = header
        self.pendingStart = 0
        return 0
    }

    private func takeSparseContent(_ room: UnsafeMutableRawBufferPointer, _ extents: [Range<Int>]) throws -> Int {
        while self.nextExtent < extents.count, extents[self.nextExtent].upperBound <= self.fileOffset {
            self.nextExtent += 1
        }
        let extent = self.nextExtent < extents.count ? extents[self.nextExtent] : self.fileSize..<self.fileSize
        let isHole = self.fileOffset < extent.lowerBound
        let end = isHole ? extent.lowerBound : extent.upperBound
        let piece = UnsafeMutableRawBufferPointer(rebasing: room[..<min(room.count, end - self.fileOffset)])
        guard isHole else {
            try self.read(piece)
            return piece.count
        }
        piece.initializeMemory(as: UInt8.self, repeating: 0)
        self.fileOffset += piece.count
        // The reader has its last look at the file even if the file ends with a hole.
        if self.fileOffset == self.fileSize { try self.read(UnsafeMutableRawBufferPointer(start: nil, count: 0)) }
        return piece.count
    }

    private func read(_ buffer: UnsafeMutableRawBufferPointer) throws {
        let count = try self.reader.readContent(ofMember: self.file, at: self.fileOffset, into: buffer)
        guard count == buffer.count else {
            let path = Member.display(self.members.path(at: self.file))
            throw TreeError(.changed, "'\(path)' is shorter than it was; save again when nothing writes to it")
        }
        self.fileOffset += count
    }
}

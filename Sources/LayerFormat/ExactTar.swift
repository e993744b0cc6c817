/// Turns the canonical tar of a layer into the exact one: real modification times, `.pyc` stamps in place.
///
/// Directories stand twice: first, writable for their owner, so that what is below them can be made; and once more at
/// the end with their own mode and time, which making what is below them has changed. So plain `tar x` restores both,
/// without options and without being root. For the same reason a symlink's directory stands right before it.
///
/// It takes the canonical stream in pieces of any size and hands out the exact stream in order; nothing but a header is
/// ever held. What it is fed is trusted: whoever feeds it has checked the digests of the chunks.
public struct ExactTarWriter: Sendable {
    /// Where the stamp of a `.pyc` file stands in its content.
    static let stampRange = 8..<12

    private let members: MemberList
    private let stamps: Stamps
    /// The number of bytes of the exact tar.
    public let size: Int

    private enum Part { case header, content, endMarker, done }
    private var part = Part.header
    private var member = 0
    private var nextStamp = 0
    /// How many bytes of the part were taken from the canonical stream, and how many it has there.
    private var taken = 0
    private var partSize = 0

    /// Creates a writer.
    ///
    /// - Parameters:
    ///   - members: The members of the recipe.
    ///   - stamps: Their stamps; without modification times all of them are 0.
    /// - Throws: ``LayerFormatError`` if the stamps are not those of the members.
    public init(members: MemberList, stamps: Stamps) throws(LayerFormatError) {
        guard stamps.mtimes.isEmpty || stamps.mtimes.count == members.count else {
            throw LayerFormatError("the stamps hold \(stamps.mtimes.count) times for \(members.count) members")
        }
        var previous = -1
        for stamp in stamps.pycStamps {
            guard stamp.member > previous, stamp.member < members.count,
                members.size(at: stamp.member) >= Self.stampRange.upperBound
            else { throw LayerFormatError("a .pyc stamp belongs to member \(stamp.member), which cannot have one") }
            previous = stamp.member
        }
        self.members = members
        self.stamps = stamps
        var size = CanonicalTar.endMarkerSize
        func headerSize(_ index: Int) -> Int {
            CanonicalTar.headerSize(of: members, at: index, mtime: stamps.mtimes.isEmpty ? 0 : stamps.mtimes[index])
        }
        for index in members.indices {
            size += headerSize(index) + CanonicalTar.paddedSize(members.size(at: index))
            switch members.kind(at: index) {
            case .directory: size += headerSize(index)
            case .symlink: size += members.parentDirectory(of: index).map(headerSize) ?? 0
            case .file, .hardlink: break
            }
        }
        self.size = size
        self.startPart()
    }

    /// Takes the next bytes of the canonical stream and hands the exact ones to `body`.
    ///
    /// - Throws: ``LayerFormatError`` if there are more bytes than the stream has, or what `body` throws.
    public mutating func write(
        _ bytes: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            guard self.part != .done else { throw LayerFormatError("the stream has more bytes than its members say") }
            let piece = rest.prefix(self.partSize - self.taken)
            rest = rest.dropFirst(piece.count)
            if self.part == .endMarker, self.taken == 0 { try self.repeatDirectories(body) }
            if self.part != .header { try self.passOn(UnsafeRawBufferPointer(rebasing: piece), body) }
            self.taken += piece.count
            if self.taken == self.partSize { try self.endPart(body) }
        }
    }

    /// Checks that the whole canonical stream was fed.
    ///
    /// - Throws: ``LayerFormatError``.
    public func finish() throws(LayerFormatError) {
        guard self.part == .done else {
            throw LayerFormatError("the stream ends after \(self.member) of \(self.members.count) members")
        }
    }

    /// What stands before the content of the member that comes next.
    private func firstHeader() -> [UInt8] {
        var header: [UInt8] = []
        if let directory = self.parent(ofSymlink: self.member) { self.append(directory, to: &header) }
        self.append(self.member, to: &header)
        return header
    }

    private func append(_ index: Int, to header: inout [UInt8]) {
        CanonicalTar.appendHeader(
            of: self.members,
            at: index,
            mtime: self.mtime(of: index),
            addingMode: self.members.kind(at: index) == .directory ? 0o700 : 0,
            to: &header
        )
    }

    /// The directory of a symlink, which stands once more before it.
    ///
    /// GNU tar makes symlinks that lead out of the tree last of all, and sets the time of a directory once more after
    /// that only if the directory stood right before them.
    private func parent(ofSymlink index: Int) -> Int? {
        guard self.members.kind(at: index) == .symlink else { return nil }
        return self.members.parentDirectory(of: index)
    }

    /// Hands out the directories once more, from the innermost out.
    private func repeatDirectories(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        for index in self.members.indices.reversed() where self.members.kind(at: index) == .directory {
            var header: [UInt8] = []
            CanonicalTar.appendHeader(of: self.members, at: index, mtime: self.mtime(of: index), to: &header)
            try header.withUnsafeBytes(body)
        }
    }

    private func mtime(of index: Int) -> Int64 { self.stamps.mtimes.isEmpty ? 0 : self.stamps.mtimes[index] }

    private mutating func startPart() {
        self.taken = 0
        guard self.member < self.members.count else {
            self.part = .endMarker
            self.partSize = CanonicalTar.endMarkerSize
            return
        }
        self.part = .header
        self.partSize = CanonicalTar.headerSize(of: self.members, at: self.member)
    }

    private mutating func endPart(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        switch self.part {
        case .header:
            try self.firstHeader().withUnsafeBytes(body)
            let contentSize = CanonicalTar.paddedSize(self.members.size(at: self.member))
            if contentSize > 0 {
                self.part = .content
                self.taken = 0
                self.partSize = contentSize
            } else {
                self.member += 1
                self.startPart()
            }
        case .content:
            if self.currentStamp != nil { self.nextStamp += 1 }
            self.member += 1
            self.startPart()
        case .endMarker: self.part = .done
        case .done: break
        }
    }

    private var currentStamp: UInt32? {
        guard self.nextStamp < self.stamps.pycStamps.count else { return nil }
        let stamp = self.stamps.pycStamps[self.nextStamp]
        return stamp.member == self.member ? stamp.value : nil
    }

    /// Hands on a piece of content; one that holds bytes of a stamp is copied first.
    private func passOn(_ piece: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let range = self.taken..<(self.taken + piece.count)
        guard self.part == .content, let stamp = self.currentStamp, range.overlaps(Self.stampRange) else {
            return try body(piece)
        }
        let headSize = min(piece.count, Self.stampRange.upperBound - self.taken)
        var head = Array(piece[..<headSize])
        for position in range.clamped(to: Self.stampRange) {
            let shift = UInt32(position - Self.stampRange.lowerBound) * 8
            head[position - self.taken] = UInt8(truncatingIfNeeded: stamp >> shift)
        }
        try head.withUnsafeBytes(body)
        if headSize < piece.count { try body(UnsafeRawBufferPointer(rebasing: piece[headSize...])) }
    }
}

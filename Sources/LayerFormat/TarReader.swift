/// Reads a tar that somebody else wrote: v7, ustar, PAX and GNU, sparse files included.
///
/// Where programs disagree about what an archive holds, the reader refuses it: checksums are always verified, there is
/// one size for a member (PAX wins), and malformed, repeated or contradicting headers are errors. Nothing is extracted.
///
/// One reader belongs to one thread. After an error it is of no more use.
public final class TarReader {
    let limits: TarLimits
    var input: TarInput
    var globals = PaxRecords()
    private var isAtEnd = false
    private var count = 0
    private var totalSize = 0
    var pathBytes = 0
    var extentCount = 0
    /// The member that is being read and how much of its stored bytes and padding is left.
    private var current: TarEntry?
    private var contentLeft = 0
    private var paddingLeft = 0

    /// Creates a reader.
    ///
    /// - Parameters:
    ///   - limits: What the tar may ask for.
    ///   - read: Fills some of a buffer with the next bytes and returns how many; 0 at the end.
    ///   - skip: Passes over bytes and returns how many there were, for sources that can seek.
    public init(
        limits: TarLimits = TarLimits(),
        read: @escaping (UnsafeMutableRawBufferPointer) throws -> Int,
        skip: ((Int) throws -> Int)? = nil
    ) {
        self.limits = limits
        self.input = TarInput(read: read, skip: skip)
    }

    /// The next member, or `nil` at the end of the tar; what is left of the member before it is passed over.
    public func next() throws(TarError) -> TarEntry? {
        try self.passContent()
        guard !self.isAtEnd else { return nil }
        var pending = PendingHeaders()
        while true {
            let start = self.input.offset
            guard let header = try self.readHeader(pending) else { return nil }
            switch header.typeFlag {
            case UInt8(ascii: "x"), UInt8(ascii: "g"), UInt8(ascii: "L"), UInt8(ascii: "K"):
                try self.readExtension(header, at: start, into: &pending)
            default:
                let entry = try self.entry(from: header, at: start, pending)
                try self.account(entry)
                self.current = entry
                return entry
            }
        }
    }

    /// Reads stored bytes of the member that ``next()`` returned last; of a sparse file, those of its extents.
    ///
    /// - Returns: The number of bytes read; 0 at the end of the member.
    public func readContent(into buffer: UnsafeMutableRawBufferPointer) throws(TarError) -> Int {
        let wanted = min(buffer.count, self.contentLeft)
        guard wanted > 0 else { return 0 }
        let count = try self.input.take(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
        guard count == wanted else { throw self.truncated() }
        self.contentLeft -= count
        return count
    }

    private func passContent() throws(TarError) {
        let left = self.contentLeft + self.paddingLeft
        self.contentLeft = 0
        self.paddingLeft = 0
        guard left > 0 else { return }
        guard try self.input.pass(left) == left else { throw self.truncated() }
    }

    private func truncated() -> TarError {
        TarError(
            offset: self.current?.headerOffset ?? self.input.offset,
            member: self.current?.member.path,
            "the tar is truncated: it ends within the member's content; send it again"
        )
    }

    /// The next header, or `nil` at the end of the tar.
    private func readHeader(_ pending: PendingHeaders) throws(TarError) -> TarHeaderBlock? {
        let start = self.input.offset
        let bytes = try self.input.take(CanonicalTar.blockSize)
        guard bytes.isEmpty || bytes.count == CanonicalTar.blockSize else {
            throw TarError(offset: start, "the tar is truncated: it ends within a header; send it again")
        }
        let header = TarHeaderBlock(bytes)
        if bytes.isEmpty || header.isZero {
            guard pending.isEmpty else {
                throw TarError(offset: start, "a PAX header or long name is followed by no member; the tar is damaged")
            }
            if !bytes.isEmpty { try self.readEndMarker() }
            self.isAtEnd = true
            return nil
        }
        try self.check(at: start, nil) { () throws(TarHeaderBlock.Malformed) in
            try header.verifyChecksum()
            try header.verifyUnusedFields()
        }
        return header
    }

    /// Checks that nothing but zeros follows the first block of the end marker.
    private func readEndMarker() throws(TarError) {
        while true {
            let start = self.input.offset
            let bytes = try self.input.take(65_536)
            guard !bytes.isEmpty else { return }
            guard bytes.allSatisfy({ $0 == 0 }) else {
                throw TarError(offset: start, "there is more data after the tar's end marker; send one tar only")
            }
        }
    }

    private func account(_ entry: TarEntry) throws(TarError) {
        func refuse(_ problem: String) -> TarError {
            TarError(offset: entry.headerOffset, member: entry.member.path, problem)
        }
        self.count += 1
        guard self.count <= self.limits.members else {
            throw refuse("the tar has more than \(self.limits.members) members; split it")
        }
        guard entry.member.size <= self.limits.totalSize - self.totalSize else {
            throw refuse("the files have more than \(self.limits.totalSize) bytes in all, holes included")
        }
        self.totalSize += entry.member.size
        self.pathBytes += entry.member.path.count + entry.member.target.count
        guard self.pathBytes <= self.limits.pathBytes else {
            throw refuse("paths and link targets have more than \(self.limits.pathBytes) bytes in all")
        }
        self.contentLeft = entry.storedSize
        self.paddingLeft = CanonicalTar.paddedSize(entry.storedSize) - entry.storedSize
    }

    /// Runs a parser and adds place and name to what it refuses.
    func check<Value>(
        at offset: Int,
        _ member: [UInt8]?,
        _ parse: () throws(TarHeaderBlock.Malformed) -> Value
    ) throws(TarError) -> Value {
        do throws(TarHeaderBlock.Malformed) {
            return try parse()
        } catch {
            throw TarError(offset: offset, member: member, error.problem)
        }
    }
}

/// The headers that describe the member after them.
struct PendingHeaders {
    var records: PaxRecords?
    var longPath: [UInt8]?
    var longTarget: [UInt8]?

    var isEmpty: Bool { self.records == nil && self.longPath == nil && self.longTarget == nil }
}

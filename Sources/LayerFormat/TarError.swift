/// Why a tar is refused.
public struct TarError: Error, Sendable, CustomStringConvertible {
    /// Where in the uncompressed tar the offending header starts, in bytes.
    public let offset: Int
    /// The path of the member that is concerned, if it is known by then.
    public let member: [UInt8]?
    /// What is wrong and what to do next.
    public let problem: String
    /// The error of whoever supplies the bytes.
    public let cause: (any Error)?

    /// Creates an error.
    public init(offset: Int, member: [UInt8]? = nil, _ problem: String, cause: (any Error)? = nil) {
        self.offset = offset
        self.member = member
        self.problem = problem
        self.cause = cause
    }

    /// The member, the place and the problem in one sentence.
    public var description: String {
        let name = self.member.map { " '\(Member.display(Array($0.prefix(Self.shownSize))))'" } ?? ""
        let subject = self.member == nil ? "the tar" : "the tar's member\(name)"
        let cause = self.cause.map { ": \($0)" } ?? ""
        return "\(subject) is refused at byte \(self.offset): \(self.problem)\(cause)"
    }

    /// How many bytes of a hostile name are shown.
    private static let shownSize = 256
}

/// How much a foreign tar may ask for.
public struct TarLimits: Hashable, Sendable {
    /// The most members, directories that are only implied included.
    public var members: Int
    /// The most bytes of all files together, holes included.
    public var totalSize: Int
    /// The most bytes of one PAX header or long name.
    public var recordSize: Int
    /// The most bytes of all paths and link targets together.
    public var pathBytes: Int
    /// The most data ranges of all sparse files together.
    public var extents: Int

    /// Creates limits.
    public init(
        members: Int = MemberList.maximumCount,
        totalSize: Int = 64 << 30,
        recordSize: Int = 1 << 20,
        pathBytes: Int = MemberList.maximumPathBytes,
        extents: Int = 1_000_000
    ) {
        self.members = members
        self.totalSize = totalSize
        self.recordSize = recordSize
        self.pathBytes = pathBytes
        self.extents = extents
    }
}

/// A member as a foreign tar describes it.
public struct TarEntry: Hashable, Sendable {
    /// Path, kind, permission bits, logical size and link target; the path is empty for the archive's own root (`./`).
    public var member: Member
    /// The modification time in ns since 1970.
    public var mtime: Int64
    /// Where the header of the member starts.
    public var headerOffset: Int
    /// Where the stored bytes start.
    public var contentOffset: Int
    /// The number of stored bytes; the size unless the file is sparse.
    public var storedSize: Int
    /// The ranges of a sparse file that are stored one after another; `nil` if all of it is stored.
    public var extents: [Range<Int>]?
}

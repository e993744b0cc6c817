/// The members of a layer in canonical order, in a few flat arrays: a million
/// members cost tens of megabytes, not hundreds.
public struct MemberList: Sendable, Hashable {
    /// The most members a layer may have.
    public static let maximumCount = 1_000_000
    /// The most bytes that all paths of a layer may have together.
    public static let maximumPathBytes = 128 << 20

    private var paths = ByteColumn()
    private var targets = ByteColumn()
    private var kinds: [MemberKind] = []
    private var modes: [UInt16] = []
    private var sizes: [Int] = []

    /// Creates an empty list.
    public init() {}

    /// Creates a list of members in canonical order.
    public init(sorting members: [Member]) {
        let sorted = members.sorted { first, second in
            first.path.withUnsafeBufferPointer { firstPath in
                second.path.withUnsafeBufferPointer { secondPath in
                    CanonicalOrder.areInIncreasingOrder(
                        firstPath,
                        isDirectory: first.kind == .directory,
                        secondPath,
                        isDirectory: second.kind == .directory
                    )
                }
            }
        }
        for member in sorted { self.append(member) }
    }

    /// Adds a member at the end.
    public mutating func append(_ member: Member) {
        member.path.withUnsafeBufferPointer { path in
            member.target.withUnsafeBufferPointer { target in
                self.append(path: path, kind: member.kind, mode: member.mode, size: member.size, target: target)
            }
        }
    }

    /// Adds a member at the end, without arrays in between.
    public mutating func append(
        path: UnsafeBufferPointer<UInt8>,
        kind: MemberKind,
        mode: UInt16,
        size: Int,
        target: UnsafeBufferPointer<UInt8>
    ) {
        self.paths.append(path)
        self.targets.append(target)
        self.kinds.append(kind)
        self.modes.append(mode)
        self.sizes.append(size)
    }

    /// The number of members.
    public var count: Int { self.kinds.count }

    /// The positions of all members.
    public var indices: Range<Int> { 0..<self.count }

    /// The member at a position, as a value of its own.
    public subscript(index: Int) -> Member {
        Member(
            path: self.path(at: index),
            kind: self.kinds[index],
            mode: self.modes[index],
            size: self.sizes[index],
            target: self.target(at: index)
        )
    }

    /// What the member at a position is.
    public func kind(at index: Int) -> MemberKind { self.kinds[index] }

    /// The permission bits of the member at a position.
    public func mode(at index: Int) -> UInt16 { self.modes[index] }

    /// The size of the member at a position; 0 unless it is a file.
    public func size(at index: Int) -> Int { self.sizes[index] }

    /// The path of the member at a position.
    public func path(at index: Int) -> [UInt8] { self.paths.withBytes(at: index) { Array($0) } }

    /// The link target of the member at a position; empty unless it is a link.
    public func target(at index: Int) -> [UInt8] { self.targets.withBytes(at: index) { Array($0) } }

    /// Calls `body` with the path of the member at a position; nothing is copied.
    public func withPath<Result>(
        at index: Int,
        _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
    ) rethrows -> Result {
        try self.paths.withBytes(at: index, body)
    }

    /// Calls `body` with the link target of the member at a position; nothing is copied.
    public func withTarget<Result>(
        at index: Int,
        _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
    ) rethrows -> Result {
        try self.targets.withBytes(at: index, body)
    }
}

/// Why a layer's description is refused.
public struct LayerFormatError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public let description: String

    /// Creates an error.
    public init(_ description: String) { self.description = description }
}

/// Many byte strings in one array.
struct ByteColumn: Sendable, Hashable {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []

    mutating func append(_ string: UnsafeBufferPointer<UInt8>) {
        self.bytes.append(contentsOf: string)
        self.ends.append(self.bytes.count)
    }

    func withBytes<Result>(
        at index: Int,
        _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
    ) rethrows -> Result {
        let start = index == 0 ? 0 : self.ends[index - 1]
        let end = self.ends[index]
        return try self.bytes.withUnsafeBufferPointer { try body(UnsafeBufferPointer(rebasing: $0[start..<end])) }
    }
}

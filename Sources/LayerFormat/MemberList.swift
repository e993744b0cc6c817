/// The members of a layer in canonical order, in a few flat arrays: a million
/// members cost tens of megabytes, not hundreds.
public struct MemberList: Sendable, Hashable {
    /// The most members a layer may have.
    public static let maximumCount = 1_000_000

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

extension MemberList {
    /// Checks everything that a reader relies on, so that a hostile list is refused before anything is written.
    ///
    /// Paths are relative and clean, all of them are the layer's root or below it, every parent is a directory of
    /// the list, the order is canonical (so no path stands twice), and hardlinks name a file that stands before them.
    ///
    /// - Parameter root: The layer's path; `.` if the members stand directly in the anchor.
    /// - Throws: ``LayerFormatError`` that names the first offending member.
    public func validate(root: String) throws(LayerFormatError) {
        guard self.count <= Self.maximumCount else {
            throw LayerFormatError("the layer has \(self.count) members, more than \(Self.maximumCount)")
        }
        let root = root == "." ? [] : Array(root.utf8)
        var directories: Set<[UInt8]> = []
        var files: Set<[UInt8]> = []
        for index in self.indices {
            let member = self[index]
            try Self.validateShape(of: member)
            if index > 0, !self.isInOrder(index - 1, index) {
                throw LayerFormatError("member '\(member.displayPath)' stands twice or out of order")
            }
            if member.path != root {
                let parent = Array(member.path.prefix(max(0, (member.path.lastIndex(of: UInt8(ascii: "/")) ?? 0))))
                guard parent.isEmpty && root.isEmpty || directories.contains(parent) else {
                    throw LayerFormatError("member '\(member.displayPath)' is not below a directory of the layer")
                }
            }
            guard !directories.contains(member.path) else {
                throw LayerFormatError("member '\(member.displayPath)' is a directory and something else")
            }
            switch member.kind {
            case .directory: directories.insert(member.path)
            case .file: files.insert(member.path)
            case .symlink: break
            case .hardlink:
                guard files.contains(member.target) else {
                    throw LayerFormatError(
                        "hardlink '\(member.displayPath)' names '\(Member.display(member.target))', which is no earlier file"
                    )
                }
            }
        }
    }

    private func isInOrder(_ first: Int, _ second: Int) -> Bool {
        self.withPath(at: first) { firstPath in
            self.withPath(at: second) { secondPath in
                CanonicalOrder.areInIncreasingOrder(
                    firstPath,
                    isDirectory: self.kind(at: first) == .directory,
                    secondPath,
                    isDirectory: self.kind(at: second) == .directory
                )
            }
        }
    }

    private static func validateShape(of member: Member) throws(LayerFormatError) {
        try self.validatePath(member.path)
        guard member.mode <= 0o777, member.size >= 0, member.size <= 1 << 50 else {
            throw LayerFormatError("member '\(member.displayPath)' has mode \(member.mode) and size \(member.size)")
        }
        switch member.kind {
        case .symlink:
            guard !member.target.isEmpty, !member.target.contains(0), member.target.count < 4_096 else {
                throw LayerFormatError("symlink '\(member.displayPath)' has no usable target")
            }
        case .hardlink: try self.validatePath(member.target)
        case .directory, .file: break
        }
    }

    /// Checks that a path is relative and clean: no empty, `.` or `..` component, no NUL.
    ///
    /// - Throws: ``LayerFormatError``.
    public static func validatePath(_ path: [UInt8]) throws(LayerFormatError) {
        guard path.count <= Member.maximumPathLength, !path.isEmpty else {
            throw LayerFormatError("a path has \(path.count) bytes, expected 1 to \(Member.maximumPathLength)")
        }
        for component in path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            let isClean =
                !component.isEmpty && component != [UInt8(ascii: ".")]
                && component != [UInt8(ascii: "."), UInt8(ascii: ".")] && !component.contains(0)
            guard isClean else {
                throw LayerFormatError("path '\(Member.display(path))' is absolute or has a forbidden component")
            }
            guard component.count <= 255 else {
                throw LayerFormatError("path '\(Member.display(path))' has a component of over 255 bytes")
            }
        }
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

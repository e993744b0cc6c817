internal import Glibc

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
        var table = PathTable(capacity: self.count)
        for index in self.indices {
            if let problem = self.problem(at: index, root: root, among: &table) {
                throw problem.error(self.path(at: index))
            }
        }
    }

    /// What is wrong with a member.
    private func problem(at index: Int, root: [UInt8], among table: inout PathTable) -> Problem? {
        let kind = self.kind(at: index)
        if let problem = self.shapeProblem(at: index) { return problem }
        if index > 0, !self.isInOrder(index - 1, index) { return Problem("member", "stands twice or out of order") }
        return self.withPath(at: index) { path in
            if !path.elementsEqual(root) {
                let parent = UnsafeBufferPointer(rebasing: path[..<(path.lastIndex(of: UInt8(ascii: "/")) ?? 0)])
                let isBelow =
                    parent.isEmpty
                    ? root.isEmpty : table.find(parent, in: self).map { self.kind(at: $0) } == .directory
                if !isBelow { return Problem("member", "is not below a directory of the layer") }
            }
            // Paths of files stand in order, so only a directory can have the same path.
            guard kind == .directory || table.find(path, in: self) == nil else {
                return Problem("member", "is a directory and something else")
            }
            if kind == .hardlink, let problem = self.targetProblem(at: index, in: table) { return problem }
            if kind != .symlink { table.insert(path, as: index) }
            return nil
        }
    }

    private func targetProblem(at index: Int, in table: borrowing PathTable) -> Problem? {
        self.withTarget(at: index) { target in
            let isFile = table.find(target, in: self).map { self.kind(at: $0) } == .file
            return isFile
                ? nil : Problem("hardlink", "names '\(Member.display(Array(target)))', which is no earlier file")
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

    private func shapeProblem(at index: Int) -> Problem? {
        if let problem = self.withPath(at: index, Self.pathProblem) { return problem }
        let (mode, size) = (self.mode(at: index), self.size(at: index))
        guard mode <= 0o777, size >= 0, size <= 1 << 50 else {
            return Problem("member", "has mode \(mode) and size \(size)")
        }
        switch self.kind(at: index) {
        case .symlink:
            let isUsable = self.withTarget(at: index) { !$0.isEmpty && !$0.contains(0) && $0.count < 4_096 }
            return isUsable ? nil : Problem("symlink", "has no usable target")
        case .hardlink: return self.withTarget(at: index, Self.pathProblem)
        case .directory, .file: return nil
        }
    }

    /// Checks that a path is relative and clean: no empty, `.` or `..` component, no NUL.
    ///
    /// - Throws: ``LayerFormatError``.
    public static func validatePath(_ path: [UInt8]) throws(LayerFormatError) {
        if let problem = path.withUnsafeBufferPointer(self.pathProblem) {
            throw problem.error(path)
        }
    }

    private static func pathProblem(_ path: UnsafeBufferPointer<UInt8>) -> Problem? {
        guard path.count <= Member.maximumPathLength, !path.isEmpty else {
            return Problem("path", "has \(path.count) bytes, expected 1 to \(Member.maximumPathLength)")
        }
        var start = 0
        for position in 0...path.count where position == path.count || path[position] == UInt8(ascii: "/") {
            let component = UnsafeBufferPointer(rebasing: path[start..<position])
            let isDots = component.count <= 2 && component.allSatisfy { $0 == UInt8(ascii: ".") }
            if isDots { return Problem("path", "is absolute or has a forbidden component") }
            if component.count > 255 { return Problem("path", "has a component of over 255 bytes") }
            start = position + 1
        }
        return path.contains(0) ? Problem("path", "is absolute or has a forbidden component") : nil
    }
}

/// What is wrong with something that has a path.
private struct Problem {
    private let what: String
    private let complaint: String

    init(_ what: String, _ complaint: String) { (self.what, self.complaint) = (what, complaint) }

    func error(_ path: [UInt8]) -> LayerFormatError {
        LayerFormatError("\(self.what) '\(Member.display(Array(path.prefix(1_024))))' \(self.complaint)")
    }
}

/// Finds members by their paths.
///
/// Hashing is keyed with a number that differs from process to process, so that nobody can choose paths that collide.
private struct PathTable: ~Copyable {
    private static let key = UInt64.random(in: .min ... .max)

    /// One more than a member's position, or 0; a member stands in the first free slot from its hash on.
    private var slots: [UInt32]
    private let mask: Int

    init(capacity: Int) {
        var size = 16
        while size < capacity * 2 { size *= 2 }
        self.slots = Array(repeating: 0, count: size)
        self.mask = size - 1
    }

    mutating func insert(_ path: UnsafeBufferPointer<UInt8>, as member: Int) {
        var slot = self.firstSlot(of: path)
        while self.slots[slot] != 0 { slot = (slot + 1) & self.mask }
        self.slots[slot] = UInt32(member + 1)
    }

    borrowing func find(_ path: UnsafeBufferPointer<UInt8>, in members: MemberList) -> Int? {
        var slot = self.firstSlot(of: path)
        while self.slots[slot] != 0 {
            let member = Int(self.slots[slot]) - 1
            if members.withPath(at: member, { $0.count == path.count && Self.isEqual($0, path) }) { return member }
            slot = (slot + 1) & self.mask
        }
        return nil
    }

    private static func isEqual(_ one: UnsafeBufferPointer<UInt8>, _ other: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let first = one.baseAddress, let second = other.baseAddress else { return one.count == other.count }
        return memcmp(first, second, one.count) == 0
    }

    private func firstSlot(of path: UnsafeBufferPointer<UInt8>) -> Int {
        var hash = Self.key ^ UInt64(path.count)
        let bytes = UnsafeRawBufferPointer(path)
        var position = 0
        while position + 8 <= bytes.count {
            hash = Self.mix(hash ^ bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            position += 8
        }
        var rest: UInt64 = 0
        while position < bytes.count {
            rest = rest << 8 | UInt64(bytes[position])
            position += 1
        }
        return Int(truncatingIfNeeded: Self.mix(hash ^ rest)) & self.mask
    }

    /// Both halves of a product with an odd constant, keyed: every bit of the word reaches every bit of the result.
    private static func mix(_ word: UInt64) -> UInt64 {
        let product = word.multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
        return product.high ^ product.low ^ Self.key
    }
}

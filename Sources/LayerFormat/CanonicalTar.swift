/// The one tar that a member list has: ustar headers, PAX records only where ustar has no room.
///
/// Owners are 0 and have no names, and the canonical form has no times, so the bytes are a function of the members and
/// their content alone. Headers can also be made in the exact form, which carries each member's modification time.
public enum CanonicalTar {
    /// The size of a tar block; headers and content start at multiples of it.
    static let blockSize = 512
    /// The largest number that eleven octal digits hold.
    static let largestOctal = 0o77_777_777_777

    /// The number of bytes that end a stream: two blocks of zeros.
    public static let endMarkerSize = 1_024

    /// The number of bytes that content of `size` bytes takes up: the next multiple of 512.
    public static func paddedSize(_ size: Int) -> Int { (size + self.blockSize - 1) & ~(self.blockSize - 1) }

    /// The number of bytes before the content of a member in the canonical form.
    public static func headerSize(of members: MemberList, at index: Int) -> Int {
        self.headerSize(of: members, at: index, mtime: nil)
    }

    /// The number of bytes before the content of a member, in the canonical form if `mtime` is `nil`.
    static func headerSize(of members: MemberList, at index: Int, mtime: Int64?) -> Int {
        self.withFields(of: members, at: index, mtime: mtime) { $0.encodedSize }
    }

    /// Appends everything that stands before the content of a member.
    ///
    /// - Parameters:
    ///   - members: All members; a hardlink's header repeats the mode of its file.
    ///   - index: The member's position.
    ///   - mtime: The modification time in ns since 1970 for the exact form, `nil` for the canonical form.
    ///   - bytes: Where the header goes.
    public static func appendHeader(
        of members: MemberList,
        at index: Int,
        mtime: Int64?,
        to bytes: inout [UInt8]
    ) {
        self.appendHeader(of: members, at: index, mtime: mtime, addingMode: 0, to: &bytes)
    }

    /// Appends a member's header with some permission bits more than the member has.
    static func appendHeader(
        of members: MemberList,
        at index: Int,
        mtime: Int64?,
        addingMode bits: UInt16,
        to bytes: inout [UInt8]
    ) {
        self.withFields(of: members, at: index, mtime: mtime, addingMode: bits) { $0.append(to: &bytes) }
    }

    /// The number of bytes of the whole canonical tar: headers, padded content, end marker.
    public static func streamSize(of members: MemberList) -> Int {
        members.indices.reduce(self.endMarkerSize) { size, index in
            size + self.headerSize(of: members, at: index) + self.paddedSize(members.size(at: index))
        }
    }

    private static func withFields<Result>(
        of members: MemberList,
        at index: Int,
        mtime: Int64?,
        addingMode bits: UInt16 = 0,
        _ body: (borrowing TarHeaderFields) -> Result
    ) -> Result {
        members.withPath(at: index) { path in
            members.withTarget(at: index) { target in
                let kind = members.kind(at: index)
                let mode = kind == .hardlink ? members.modeOfFile(at: target) : members.mode(at: index)
                return body(
                    TarHeaderFields(
                        path: path,
                        target: target,
                        kind: kind,
                        mode: mode | bits,
                        size: kind == .file ? members.size(at: index) : 0,
                        mtime: mtime ?? 0
                    )
                )
            }
        }
    }
}

extension MemberList {
    /// The permission bits of the file at `path`; 0o644 if the list has no such file.
    ///
    /// Python's tarfile sets the mode of a hardlink's header on the file that both names share.
    fileprivate func modeOfFile(at path: UnsafeBufferPointer<UInt8>) -> UInt16 {
        guard let index = self.position(of: path, isDirectory: false), self.kind(at: index) == .file else {
            return 0o644
        }
        return self.mode(at: index)
    }

    /// The position of the directory that a member stands in, if it is a member, too.
    func parentDirectory(of index: Int) -> Int? {
        self.withPath(at: index) { path in
            guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { return nil }
            return self.position(of: UnsafeBufferPointer(rebasing: path[..<slash]), isDirectory: true)
        }
    }

    /// The position of a member, found by bisection.
    private func position(of path: UnsafeBufferPointer<UInt8>, isDirectory: Bool) -> Int? {
        var lower = 0
        var upper = self.count
        while lower < upper {
            let middle = (lower + upper) / 2
            let isBefore = self.withPath(at: middle) { candidate in
                CanonicalOrder.areInIncreasingOrder(
                    candidate,
                    isDirectory: self.kind(at: middle) == .directory,
                    path,
                    isDirectory: isDirectory
                )
            }
            if isBefore { lower = middle + 1 } else { upper = middle }
        }
        guard lower < self.count, (self.kind(at: lower) == .directory) == isDirectory,
            self.withPath(at: lower, { $0.elementsEqual(path) })
        else { return nil }
        return lower
    }
}

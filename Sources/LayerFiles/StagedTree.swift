internal import CLinux
internal import Glibc
internal import LayerFormat

/// Creates the members of the new tree below the staging directory.
///
/// Every path is resolved below that directory without following a link, whatever stands there.
struct StagedTree: Sendable {
    let members: MemberList
    let stamps: RestoreStamps
    /// The number of bytes of a member's path before the layer's name.
    let strip: Int
    /// The open directory that the tree stands in.
    let directory: Int32
    /// Which permission bits of new files the system takes away.
    let withheldMode: mode_t
    let threads: Int

    /// The same tree in another directory of the same file system.
    func standing(in directory: Int32) -> Self {
        Self(
            members: self.members,
            stamps: self.stamps,
            strip: self.strip,
            directory: directory,
            withheldMode: self.withheldMode,
            threads: self.threads
        )
    }

    /// Creates directories, writable for now, the upper levels first.
    ///
    /// - Parameter isWanted: Which of the members that are directories; all that are above such a one are wanted, too.
    /// - Returns: Their number.
    /// - Throws: ``TreeError`` that names the directory.
    func makeDirectories(where isWanted: (Int) -> Bool = { _ in true }) throws(TreeError) -> Int {
        var levels: [[Int]] = []
        for index in self.members.indices {
            // Directories come first in the canonical order.
            guard self.members.kind(at: index) == .directory else { break }
            guard isWanted(index) else { continue }
            let depth = self.members.withPath(at: index) { $0.reduce(0) { $1 == UInt8(ascii: "/") ? $0 + 1 : $0 } }
            while levels.count <= depth { levels.append([]) }
            levels[depth].append(index)
        }
        for level in levels {
            try WorkerGroup.forEach(count: level.count, threads: self.threads, batch: 64) { range throws(TreeError) in
                var parents = ParentCache(base: self.directory)
                for position in range {
                    let index = level[position]
                    let mode = mode_t(self.members.mode(at: index)) | 0o700
                    let made = self.inParent(of: index, &parents) { mkdirat($0, $1, mode) }
                    guard made == 0 else { throw self.error(errno, "create directory", index) }
                }
            }
        }
        return levels.reduce(0) { $0 + $1.count }
    }

    /// Creates a file and leaves it open for writing.
    ///
    /// Its final mode has to wait if it is unfinished, which means that it will be opened again.
    func create(_ index: Int, _ path: inout PathBuffer, isUnfinished: Bool) throws(TreeError) -> Descriptor {
        let mode = mode_t(self.members.mode(at: index)) | (isUnfinished ? 0o600 : 0)
        self.members.withPath(at: index) { path.set($0.dropping(self.strip)) }
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
        let file = Descriptor(openBeneath(self.directory, path, flags, mode: mode))
        guard file.number >= 0 else { throw self.error(errno, "create", index) }
        return file
    }

    /// Opens a file that another chunk's writer created.
    func reopen(_ index: Int, _ path: inout PathBuffer) throws(TreeError) -> Descriptor {
        self.members.withPath(at: index) { path.set($0.dropping(self.strip)) }
        let file = Descriptor(openBeneath(self.directory, path, O_WRONLY | O_NOFOLLOW))
        guard file.number >= 0 else { throw self.error(errno, "open", index) }
        return file
    }

    /// Gives a complete file its mode and its time.
    func complete(_ index: Int, _ file: Int32, wasUnfinished: Bool) throws(TreeError) {
        let mode = mode_t(self.members.mode(at: index))
        if wasUnfinished && mode & 0o600 != 0o600 || mode & self.withheldMode != 0 {
            guard fchmod(file, mode) == 0 else { throw self.error(errno, "set the mode of", index) }
        }
        try self.setTime(of: index, file)
    }

    /// Hard-links a file of the old tree into the new one, if it still looks like `status`.
    ///
    /// The answer says whether it worked; otherwise the file has to be copied.
    func keep(
        _ index: Int,
        from old: inout ParentCache,
        _ new: inout ParentCache,
        status: (inode: UInt64, size: Int, modified: Int64)
    ) throws(TreeError) -> Bool {
        let source = self.members.withPath(at: index) { old.open($0.dropping(self.strip)) }
        guard source >= 0 else { return false }
        var found = stat()
        let isLinked = self.inParent(of: index, &new) { parent, name in
            guard linkat(source, old.name, parent, name, 0) == 0 else { return false }
            if fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) == 0, found.kindBits == S_IFREG,
                UInt64(found.st_ino) == status.inode, Int(found.st_size) == status.size,
                found.modified == status.modified
            {
                return true
            }
            unlinkat(parent, name, 0)
            return false
        }
        return isLinked
    }

    /// Copies the content of a file of the old tree.
    func copy(_ index: Int, from old: Int32, _ path: inout PathBuffer) throws(TreeError) {
        self.members.withPath(at: index) { path.set($0.dropping(self.strip)) }
        let source = Descriptor(openBeneath(old, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
        guard source.number >= 0 else { throw self.error(errno, "read", index) }
        let target = try self.create(index, &path, isUnfinished: false)
        let size = self.members.size(at: index)
        let extents = self.stamps.extents[index] ?? [0..<size]
        guard ftruncate(target.number, off_t(size)) == 0 || size == 0 else { throw self.error(errno, "write", index) }
        for extent in extents { try self.copyRange(index, source.number, target.number, extent) }
        if let stamp = self.stamps.pycStamps[index] { try self.putStamp(stamp, of: index, in: target.number) }
        try self.complete(index, target.number, wasUnfinished: false)
    }

    private func copyRange(_ index: Int, _ source: Int32, _ target: Int32, _ range: Range<Int>) throws(TreeError) {
        var position = range.lowerBound
        while position < range.upperBound {
            let count = tarn_copy_range(source, target, off_t(position), range.upperBound - position)
            if count > 0 {
                position += count
                continue
            }
            guard count < 0, errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP else {
                if count == 0 { throw self.changed(index) }
                throw self.error(errno, "copy", index)
            }
            let failure: Int32? = withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 16) { buffer in
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(range.upperBound - position))
                let count = readFully(source, piece, at: position)
                guard count == piece.count else { return count < 0 ? errno : EIO }
                return writeFully(target, UnsafeRawBufferPointer(piece), at: position) ? nil : errno
            }
            if let failure { throw self.error(failure, "copy", index) }
            position += min(65_536, range.upperBound - position)
        }
    }

    /// Adds hardlinks and symlinks, then gives directories their times and modes, the lower levels first.
    func finish() throws(TreeError) {
        var parents = ParentCache(base: self.directory)
        var targets = ParentCache(base: self.directory)
        for index in self.members.indices {
            switch self.members.kind(at: index) {
            case .hardlink:
                let source = self.members.withTarget(at: index) { targets.open($0.dropping(self.strip)) }
                let made = self.inParent(of: index, &parents) { linkat(source, targets.name, $0, $1, 0) }
                guard made == 0 else { throw self.error(errno, "create hardlink", index) }
            case .symlink: try self.makeSymlink(index, &parents)
            case .directory, .file: break
            }
        }
        try self.finishDirectories()
    }

    /// Creates directories and symlinks among `wanted`, in order.
    func make(_ wanted: [Int]) throws(TreeError) {
        var parents = ParentCache(base: self.directory)
        for index in wanted {
            switch self.members.kind(at: index) {
            case .directory:
                let mode = mode_t(self.members.mode(at: index)) | 0o700
                let made = self.inParent(of: index, &parents) { mkdirat($0, $1, mode) }
                guard made == 0 else { throw self.error(errno, "create directory", index) }
            case .symlink: try self.makeSymlink(index, &parents)
            case .file, .hardlink: break
            }
        }
    }

    /// Gives a file that has the right content its stamp, mode and time.
    func correct(_ index: Int, _ path: inout PathBuffer) throws(TreeError) {
        self.members.withPath(at: index) { path.set($0.dropping(self.strip)) }
        let stamp = self.stamps.pycStamps[index]
        let access = stamp == nil ? O_RDONLY : O_RDWR
        let file = Descriptor(openBeneath(self.directory, path, access | O_NOFOLLOW | O_NONBLOCK))
        var status = stat()
        guard file.number >= 0, fstat(file.number, &status) == 0 else { throw self.error(errno, "open", index) }
        guard status.kindBits == S_IFREG, Int(status.st_size) == self.members.size(at: index) else {
            throw self.changed(index)
        }
        if let stamp { try self.putStamp(stamp, of: index, in: file.number) }
        if status.permissions != self.members.mode(at: index) {
            guard fchmod(file.number, mode_t(self.members.mode(at: index))) == 0 else {
                throw self.error(errno, "set the mode of", index)
            }
        }
        try self.setTime(of: index, file.number)
    }

    private func putStamp(_ stamp: UInt32, of index: Int, in file: Int32) throws(TreeError) {
        let isWritten = withUnsafeBytes(of: stamp.littleEndian) {
            writeFully(file, $0, at: PycHeader.stampRange.lowerBound)
        }
        guard isWritten else { throw self.error(errno, "write", index) }
    }

    private func setTime(of index: Int, _ file: Int32) throws(TreeError) {
        let time = splitTime(self.stamps.mtime(of: index))
        guard tarn_set_mtime(file, time.seconds, time.nanoseconds) == 0 else {
            throw self.error(errno, "set the time of", index)
        }
    }

    private func makeSymlink(_ index: Int, _ parents: inout ParentCache) throws(TreeError) {
        let target = self.members.target(at: index)
        let time = splitTime(self.stamps.mtime(of: index))
        let made = self.inParent(of: index, &parents) { parent, name in
            let made = LayerRoot.withName(target[...]) { symlinkat($0, parent, name) }
            guard made == 0 else { return made }
            return tarn_set_mtime_at(parent, name, time.seconds, time.nanoseconds, AT_SYMLINK_NOFOLLOW)
        }
        guard made == 0 else { throw self.error(errno, "create symbolic link", index) }
    }

    /// Gives directories their times, and their modes where new ones do not have them, or all of them if told to.
    func finishDirectories(setsModes: Bool = false) throws(TreeError) {
        let count = self.members.indices.prefix { self.members.kind(at: $0) == .directory }.count
        try WorkerGroup.forEach(count: count, threads: self.threads, batch: 128) { range throws(TreeError) in
            var path = PathBuffer()
            for index in range {
                let mode = mode_t(self.members.mode(at: index))
                let isOpen = mode & 0o700 == 0o700
                let isDue = isOpen && (setsModes || mode & self.withheldMode != 0)
                try self.finishDirectory(index, &path, mode: isDue ? mode : nil)
            }
        }
        var path = PathBuffer()
        for index in (0..<count).reversed() where self.members.mode(at: index) & 0o700 != 0o700 {
            try self.finishDirectory(index, &path, mode: mode_t(self.members.mode(at: index)))
        }
    }

    private func finishDirectory(_ index: Int, _ path: inout PathBuffer, mode: mode_t?) throws(TreeError) {
        self.members.withPath(at: index) { path.set($0.dropping(self.strip)) }
        let directory = Descriptor(openBeneath(self.directory, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
        let time = splitTime(self.stamps.mtime(of: index))
        let isDone =
            directory.number >= 0 && tarn_set_mtime(directory.number, time.seconds, time.nanoseconds) == 0
            && (mode.map { fchmod(directory.number, $0) } ?? 0) == 0
        guard isDone else { throw self.error(errno, "set mode and time of", index) }
    }

    /// Calls `body` with the open parent of a member and its name there.
    private func inParent<Result>(
        of index: Int,
        _ parents: inout ParentCache,
        _ body: (Int32, UnsafePointer<CChar>) -> Result
    ) -> Result {
        let parent = self.members.withPath(at: index) { parents.open($0.dropping(self.strip)) }
        // A parent that cannot be opened is -1, for which every call fails with EBADF; keep the better reason.
        let reason = errno
        let result = body(parent, parents.name)
        if parent == -1 { errno = reason }
        return result
    }

    func changed(_ index: Int) -> TreeError {
        let path = Member.display(self.members.path(at: index))
        return TreeError(.changed, "'\(path)' changed while it was being reused; restore again")
    }

    func error(_ number: Int32, _ action: String, _ index: Int) -> TreeError {
        TreeError(errno: number, action, self.members.path(at: index))
    }
}

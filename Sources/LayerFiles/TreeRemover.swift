internal import CLinux
internal import Glibc

/// Deletes trees that nobody needs any more, however deep and whatever their modes.
enum TreeRemover {
    /// Directories deeper than this are first moved up, so that few are open at a time.
    private static let maximumDepth = 64

    /// Removes everything called `name` in an open directory; what cannot be removed stays.
    ///
    /// - Returns: Whether nothing is left.
    @discardableResult
    static func remove(_ name: UnsafePointer<CChar>, in directory: Int32) -> Bool {
        if unlinkat(directory, name, 0) == 0 { return true }
        guard errno == EISDIR || errno == EPERM || errno == ENOTEMPTY else { return errno == ENOENT }
        let top = Descriptor(self.open(name, in: directory))
        guard top.number >= 0 else { return false }
        for _ in 0..<4 {
            self.empty(top.number, top: top.number, depth: 0)
            if unlinkat(directory, name, AT_REMOVEDIR) == 0 { return true }
            // What was moved up is emptied in the next round.
            guard errno == ENOTEMPTY else { return false }
            var rounds = 0
            while self.empty(top.number, top: top.number, depth: 0), rounds < 10_000 { rounds += 1 }
        }
        return unlinkat(directory, name, AT_REMOVEDIR) == 0
    }

    private static func open(_ name: UnsafePointer<CChar>, in directory: Int32) -> Int32 {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
        var file = tarn_openat(directory, name, flags, 0)
        if file < 0, errno == EACCES, fchmodat(directory, name, 0o700, 0) == 0 {
            file = tarn_openat(directory, name, flags, 0)
        }
        guard file >= 0 else { return file }
        var status = stat()
        if fstat(file, &status) == 0, status.st_mode & 0o700 != 0o700 { fchmod(file, 0o700) }
        return file
    }

    /// Removes what is in a directory.
    ///
    /// - Returns: Whether directories were moved up to the top, where they wait to be removed.
    @discardableResult
    private static func empty(_ directory: Int32, top: Int32, depth: Int) -> Bool {
        let names = UnsafeMutableRawBufferPointer.allocate(byteCount: 32_768, alignment: 16)
        defer { names.deallocate() }
        var hasMoved = false
        lseek(directory, 0, SEEK_SET)
        while true {
            let size = tarn_getdents64(directory, names.baseAddress, names.count)
            guard size > 0 else { return hasMoved }
            var offset = 0
            while offset < size {
                let length = Int(names.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
                let type = names[offset + 18]
                if let name = names.baseAddress?.advanced(by: offset + 19).assumingMemoryBound(to: CChar.self),
                    !self.isDots(name)
                {
                    hasMoved = self.removeEntry(name, type, in: directory, top: top, depth: depth) || hasMoved
                }
                offset += length
            }
        }
    }

    private static func removeEntry(
        _ name: UnsafePointer<CChar>,
        _ type: UInt8,
        in directory: Int32,
        top: Int32,
        depth: Int
    ) -> Bool {
        if type != UInt8(DT_DIR), unlinkat(directory, name, 0) == 0 { return false }
        if depth >= self.maximumDepth {
            let moved = Array("moved-\(UInt64.random(in: 0 ... .max))".utf8)
            return LayerRoot.withName(moved[...]) { renameat(directory, name, top, $0) == 0 }
        }
        let inner = Descriptor(self.open(name, in: directory))
        guard inner.number >= 0 else { return false }
        let hasMoved = self.empty(inner.number, top: top, depth: depth + 1)
        unlinkat(directory, name, AT_REMOVEDIR)
        return hasMoved
    }

    private static func isDots(_ name: UnsafePointer<CChar>) -> Bool {
        name[0] == CChar(UInt8(ascii: "."))
            && (name[1] == 0 || (name[1] == CChar(UInt8(ascii: ".")) && name[2] == 0))
    }
}

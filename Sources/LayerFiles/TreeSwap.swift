internal import CLinux
internal import Glibc
internal import LayerFormat

/// Puts a prepared tree in the place of the old one.
enum TreeSwap {
    /// Swaps one name: afterwards the new tree has it, and the old one, if there was one, is in the staging directory.
    ///
    /// It is atomic, except on file systems that cannot exchange two names (old overlayfs): there the old tree is
    /// moved aside, or removed if even that is impossible, before the new one gets its name.
    static func swap(_ name: [UInt8], from staging: Int32, into target: Int32) -> Bool {
        LayerRoot.withName(name[...]) { name in
            if self.exchange(name, from: staging, into: target) { return true }
            guard errno == EACCES else { return false }
            // Whoever is not root may only move directories that are writable.
            let modes = (self.makeWritable(name, in: staging), self.makeWritable(name, in: target))
            let isDone = self.exchange(name, from: staging, into: target)
            let number = errno
            if let mode = isDone ? modes.0 : modes.1 { fchmodat(target, name, mode, 0) }
            errno = number
            return isDone
        }
    }

    /// Adds the owner's permissions to a directory that lacks them.
    ///
    /// - Returns: The earlier mode if it was changed.
    private static func makeWritable(_ name: UnsafePointer<CChar>, in directory: Int32) -> mode_t? {
        var status = stat()
        guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.kindBits == S_IFDIR,
            status.st_mode & 0o700 != 0o700,
            fchmodat(directory, name, status.st_mode & 0o777 | 0o700, 0) == 0
        else { return nil }
        return status.st_mode & 0o777
    }

    private static func exchange(_ name: UnsafePointer<CChar>, from staging: Int32, into target: Int32) -> Bool {
        // Twice, because the target may appear or vanish between the calls.
        for _ in 0..<2 {
            if tarn_rename_noreplace(staging, name, target, name) == 0 { return true }
            guard errno == EEXIST || errno == EINVAL else { return false }
            if tarn_rename_exchange(staging, name, target, name) == 0 { return true }
            guard errno == ENOENT else { break }
        }
        guard errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == ENOENT else { return false }
        return self.replace(name, from: staging, into: target)
    }

    private static func replace(_ name: UnsafePointer<CChar>, from staging: Int32, into target: Int32) -> Bool {
        let isAside = renameat(target, name, staging, ".old") == 0
        if !isAside, errno != ENOENT {
            guard errno == EXDEV || errno == EINVAL, TreeRemover.remove(name, in: target) else { return false }
        }
        if renameat(staging, name, target, name) == 0 { return true }
        let number = errno
        if isAside { renameat(staging, ".old", target, name) }
        errno = number
        return false
    }

    /// Swaps every name of a prepared directory into an existing one, one after the other.
    ///
    /// - Returns: The name at which it failed, if it did; `errno` has the reason.
    static func swapChildren(of staged: Int32, into target: Int32) -> [UInt8]? {
        for name in self.names(in: staged) where !self.swap(name, from: staged, into: target) { return name }
        return nil
    }

    private static func names(in directory: Int32) -> [[UInt8]] {
        var names: [[UInt8]] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32_768, alignment: 16)
        defer { buffer.deallocate() }
        lseek(directory, 0, SEEK_SET)
        while true {
            let size = tarn_getdents64(directory, buffer.baseAddress, buffer.count)
            guard size > 0 else { return names }
            var offset = 0
            while offset < size {
                let length = Int(buffer.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
                let name = Array(buffer[(offset + 19)...].prefix { $0 != 0 })
                if name != [UInt8(ascii: ".")], name != [UInt8(ascii: "."), UInt8(ascii: ".")] { names.append(name) }
                offset += length
            }
        }
    }

    /// Whether a directory must keep its own inode: something is mounted on it, or the process works in or below it.
    static func mustStay(_ directory: Int32) -> Bool {
        if tarn_is_mount_root(directory) == 1 { return true }
        var wanted = stat()
        guard fstat(directory, &wanted) == 0 else { return false }
        var current = Descriptor(tarn_openat(AT_FDCWD, ".", openPathOnly | O_DIRECTORY, 0))
        var status = stat()
        while current.number >= 0, fstat(current.number, &status) == 0 {
            if status.st_dev == wanted.st_dev, status.st_ino == wanted.st_ino { return true }
            let (device, inode) = (status.st_dev, status.st_ino)
            current = Descriptor(tarn_openat(current.number, "..", openPathOnly | O_DIRECTORY, 0))
            guard current.number >= 0, fstat(current.number, &status) == 0 else { return false }
            if status.st_dev == device, status.st_ino == inode { return false }
        }
        return false
    }
}

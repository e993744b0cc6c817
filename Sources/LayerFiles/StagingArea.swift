internal import CLinux
internal import Glibc
internal import LayerFormat

/// A locked directory beside the target in which the new tree is prepared.
///
/// Its lock is gone with the process that made it: whatever is not locked was left behind by an interrupted restore.
final class StagingArea: Sendable {
    /// The directory that the staging directory stands in.
    let parent: Int32
    /// The staging directory's name.
    let name: [UInt8]
    /// Which permission bits of new files the system takes away: the umask, or what a default ACL makes of it.
    let withheldMode: mode_t
    private let descriptor: Descriptor

    /// The open staging directory.
    var directory: Int32 { self.descriptor.number }

    /// Creates the directory.
    ///
    /// - Parameters:
    ///   - parent: An open directory that outlives the area.
    ///   - layerName: The last component of the layer's path; empty for `.`.
    /// - Throws: ``TreeError``.
    init(in parent: Int32, for layerName: [UInt8]) throws(TreeError) {
        self.parent = parent
        for _ in 0..<16 {
            let name = StagingName.make(for: layerName)
            guard let file = try Self.make(name, in: parent) else { continue }
            self.name = name
            self.descriptor = Descriptor(file)
            self.withheldMode = try Self.probe(file, name)
            return
        }
        throw TreeError(.system, "cannot lock a directory beside '\(Member.display(layerName))' for the new tree")
    }

    /// Removes the directory with everything in it.
    func remove() {
        LayerRoot.withName(self.name[...]) { _ = TreeRemover.remove($0, in: self.parent) }
    }

    /// Removes the staging directories of restores that were killed.
    static func removeLeftovers(of layerName: [UInt8], in parent: Int32) {
        let prefix = StagingName.prefix(for: layerName)
        let names = UnsafeMutableRawBufferPointer.allocate(byteCount: 32_768, alignment: 16)
        defer { names.deallocate() }
        let listing = Descriptor(tarn_openat(parent, ".", O_RDONLY | O_DIRECTORY, 0))
        while true {
            let size = tarn_getdents64(listing.number, names.baseAddress, names.count)
            guard size > 0 else { return }
            var offset = 0
            while offset < size {
                let length = Int(names.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
                if let name = names.baseAddress?.advanced(by: offset + 19).assumingMemoryBound(to: CChar.self) {
                    self.removeLeftover(name, prefix: prefix, in: parent)
                }
                offset += length
            }
        }
    }

    private static func removeLeftover(_ name: UnsafePointer<CChar>, prefix: [UInt8], in parent: Int32) {
        let count = strlen(name)
        let isCandidate = name.withMemoryRebound(to: UInt8.self, capacity: count) { bytes in
            let bytes = UnsafeBufferPointer(start: bytes, count: count)
            return StagingName.isStaging(bytes) && count == prefix.count + 16 && bytes.starts(with: prefix)
        }
        guard isCandidate else { return }
        let file = Descriptor(tarn_openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0))
        guard file.number >= 0, tarn_try_lock(file.number) == 0 else { return }
        TreeRemover.remove(name, in: parent)
    }

    /// Creates and locks the directory, unless somebody who cleans up was faster.
    private static func make(_ name: [UInt8], in parent: Int32) throws(TreeError) -> Int32? {
        let file = LayerRoot.withName(name[...]) { name in
            mkdirat(parent, name, 0o700) == 0
                ? tarn_openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0) : -1
        }
        guard file >= 0 else {
            if errno == EEXIST || errno == ENOENT { return nil }
            throw TreeError(errno: errno, "create directory", name)
        }
        var status = stat()
        let isOurs =
            tarn_try_lock(file) == 0
            && LayerRoot.withName(name[...]) { fstatat(parent, $0, &status, AT_SYMLINK_NOFOLLOW) } == 0
        guard isOurs else {
            close(file)
            return nil
        }
        return file
    }

    private static func probe(_ directory: Int32, _ name: [UInt8]) throws(TreeError) -> mode_t {
        let probe = Descriptor(tarn_openat(directory, ".probe", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o777))
        var status = stat()
        guard probe.number >= 0, fstat(probe.number, &status) == 0 else {
            let error = TreeError(errno: errno, "create a file in", name)
            LayerRoot.withName(name[...]) { _ = unlinkat(directory, $0, AT_REMOVEDIR) }
            throw error
        }
        unlinkat(directory, ".probe", 0)
        return 0o777 & ~status.st_mode
    }
}

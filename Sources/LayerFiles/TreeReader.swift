internal import CLinux
internal import Glibc
internal import LayerFormat

/// Reads the files of a scanned tree; the file read last stays open until it was read to its end.
final class TreeReader: LayerReader {
    private let tree: ScannedTree
    private var path = PathBuffer()
    private var openMember: Int?
    private var file = Descriptor(-1)

    init(_ tree: ScannedTree) { self.tree = tree }

    func readContent(
        ofMember index: Int,
        at offset: Int,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws -> Int {
        if self.openMember != index { try self.open(index) }
        let count = readFully(self.file.number, buffer, at: offset)
        guard count >= 0 else { throw self.error(errno, index) }
        guard count == buffer.count else { throw self.changed(index) }
        if offset + count == self.tree.members.size(at: index) {
            try self.check(index)
            self.openMember = nil
            self.file = Descriptor(-1)
        }
        return count
    }

    private func open(_ index: Int) throws(TreeError) {
        let strip = self.tree.root.strip
        self.tree.members.withPath(at: index) { self.path.set($0.dropping(strip)) }
        self.openMember = index
        self.file = Descriptor(openBeneath(self.tree.root.base, self.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
        guard self.file.number >= 0 else {
            throw errno == ENOENT || errno == ELOOP ? self.changed(index) : self.error(errno, index)
        }
        try self.check(index)
    }

    private func check(_ index: Int) throws(TreeError) {
        var status = stat()
        guard fstat(self.file.number, &status) == 0 else { throw self.error(errno, index) }
        let isSame =
            status.kindBits == S_IFREG && Int(status.st_size) == self.tree.members.size(at: index)
            && status.modified == self.tree.stamps.mtimes[index]
        guard isSame else { throw self.changed(index) }
    }

    private func changed(_ index: Int) -> TreeError {
        let path = Member.display(self.tree.members.path(at: index))
        return TreeError(.changed, "'\(path)' changed while it was being saved; save again when nothing writes to it")
    }

    private func error(_ number: Int32, _ index: Int) -> TreeError {
        TreeError(errno: number, "read", self.tree.members.path(at: index))
    }
}

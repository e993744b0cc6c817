import CacheModel
import LayerFiles
import LayerFormat
import LayerKernels
import Testing

@testable import cachectl

struct HashTests {
    /// Walks a tree and computes its digest from nothing but the documented form.
    private static let script = """
        import hashlib, os, stat, sys
        os.chdir(sys.argv[1])
        root = os.fsencode(sys.argv[2])
        folders, others = [root], []
        for at, names, files in os.walk(root):
            for name in names + files:
                path = os.path.join(at, name)
                is_folder = stat.S_ISDIR(os.lstat(path).st_mode)
                (folders if is_folder else others).append(path)
        def extension(path):
            name = path.rsplit(b"/", 1)[-1]
            dot = name.rfind(b".")
            return name[dot + 1:] if dot > 0 else b""
        message, first = b"tarn-tree-1\\n", {}
        for path in sorted(folders):
            message += b"d %04o %s\\0" % (os.lstat(path).st_mode & 0o777, path)
        for path in sorted(others, key=lambda path: (extension(path), path)):
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                message += b"l %s\\0%s\\0" % (path, os.readlink(path))
            elif status.st_ino in first:
                message += b"h %s\\0%s\\0" % (path, first[status.st_ino])
            else:
                first[status.st_ino] = path
                content = open(path, "rb").read()
                digest = hashlib.sha256(content).hexdigest().encode()
                message += b"f %04o %d %s %s\\0" % (status.st_mode & 0o777, len(content), digest, path)
        print(hashlib.sha256(message).hexdigest())
        """

    private static func makeTree(in folder: TemporaryFolder) throws {
        try folder.write("one", to: "tree/b.txt")
        try folder.write("two", to: "tree/a.py")
        try folder.write("", to: "tree/deep/er/.hidden")
        try folder.write("x\ny", to: "tree/deep/a name with spaces")
        _ = try ChildOutput.of(["/bin/mkdir", "\(folder.path)/tree/empty"])
        _ = try ChildOutput.of(["/bin/chmod", "750", "\(folder.path)/tree/a.py"])
        _ = try ChildOutput.of(["/bin/ln", "-s", "../nowhere", "\(folder.path)/tree/link.so"])
        _ = try ChildOutput.of(["/bin/ln", "\(folder.path)/tree/b.txt", "\(folder.path)/tree/other.txt"])
    }

    @Test func `a script that knows only the documented form computes the same digest`() throws {
        let folder = try TemporaryFolder()
        try Self.makeTree(in: folder)
        try folder.write(Self.script, to: "recompute.py")
        let tree = try TreeScanner(anchor: folder.path, path: "tree").scan()
        let output = try ChildOutput.of(["python3", "\(folder.path)/recompute.py", folder.path, "tree"])
        #expect(output == "\(tree.treeDigest)\n")
    }

    @Test func `the records that are printed are the message that is hashed`() throws {
        let folder = try TemporaryFolder()
        try Self.makeTree(in: folder)
        let tree = try TreeScanner(anchor: folder.path, path: "tree").scan()
        let listing = LayerListing(members: tree.members, contentDigests: tree.contentDigests)
        let records = listing.members.indices.map {
            TreeRecords.record(of: listing.members[$0], digest: listing.contentDigest(at: $0))
        }
        #expect(SHA256.digest(of: TreeRecords.heading + records.joined()) == tree.treeDigest)
    }

    @Test func `a record's line shows targets and cannot steer a terminal`() {
        let link = Member(path: Array("a\u{1b}b".utf8), kind: .symlink, mode: 0o777, target: Array("c d".utf8))
        #expect(TreeRecords.line(of: link, digest: nil) == "l a\\u{1b}b -> c d")
        let folder = Member(path: Array("a".utf8), kind: .directory, mode: 0o7)
        #expect(TreeRecords.line(of: folder, digest: nil) == "d 0007 a")
    }
}

import LayerFormat
import Testing

struct MemberListTests {
    func list(_ members: (path: String, kind: MemberKind, target: String)...) -> MemberList {
        MemberList(
            sorting: members.map {
                Member(path: Array($0.path.utf8), kind: $0.kind, mode: 0, target: Array($0.target.utf8))
            }
        )
    }

    @Test func `directories go first, then files by extension and path`() {
        let list = self.list(
            ("a/z.py", .file, ""),
            ("a", .directory, ""),
            ("a/b.txt", .file, ""),
            ("a/y.py", .file, ""),
            ("a/.hidden", .file, ""),
            ("a-b", .directory, ""),
            ("a/b", .directory, ""),
            ("a/plain", .file, "")
        )
        let paths = list.indices.map { String(decoding: list.path(at: $0), as: UTF8.self) }
        #expect(paths == ["a", "a-b", "a/b", "a/.hidden", "a/plain", "a/y.py", "a/z.py", "a/b.txt"])
    }

    @Test(arguments: ["/etc/passwd", "a/../b", "a//b", "a/", "./a", "..", "a/\0b", "", "a/."])
    func `a path that is not clean is refused`(path: String) {
        #expect(throws: LayerFormatError.self) { try self.list((path, .file, "")).validate(root: ".") }
    }

    @Test func `a member below a symlink is refused`() {
        #expect(throws: LayerFormatError.self) {
            try self.list(("a", .directory, ""), ("a/l", .symlink, "/etc"), ("a/l/x", .file, "")).validate(root: "a")
        }
    }

    @Test func `a member outside of the layer's path is refused`() {
        #expect(throws: LayerFormatError.self) { try self.list(("b", .file, "")).validate(root: "a") }
    }

    @Test func `a path that stands twice is refused`() {
        #expect(throws: LayerFormatError.self) {
            try self.list(("a", .file, ""), ("a", .symlink, "x")).validate(root: "a")
        }
    }

    @Test func `a path that is a directory and a file is refused`() {
        #expect(throws: LayerFormatError.self) {
            try self.list(("a", .directory, ""), ("a/b", .directory, ""), ("a/b", .file, "")).validate(root: "a")
        }
    }

    @Test func `a hardlink to something that is no file of the layer is refused`() {
        for target in ["../../etc/passwd", "etc/passwd", "a/link"] {
            #expect(throws: LayerFormatError.self) {
                try self.list(("a", .directory, ""), ("a/b", .hardlink, target), ("a/link", .symlink, "x"))
                    .validate(root: "a")
            }
        }
    }
}

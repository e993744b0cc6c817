import CacheModel
import LayerFormat
import LayerKernels
import Testing

@testable import cachectl

struct LayerTests {
    private static func digest(_ text: String) -> Digest { SHA256.digest(of: Array(text.utf8)) }

    private static func file(_ path: String, _ content: String, mode: UInt16 = 0o644) -> (Member, String) {
        (Member(path: Array(path.utf8), kind: .file, mode: mode, size: content.utf8.count), content)
    }

    private static func listing(_ items: [(Member, String)], others: [Member] = []) -> LayerListing {
        let contents = Dictionary(uniqueKeysWithValues: items.map { ($0.0.path, $0.1) })
        let members = MemberList(sorting: items.map(\.0) + others)
        let digests = members.indices.compactMap { contents[members.path(at: $0)].map(Self.digest) }
        return LayerListing(members: members, contentDigests: digests)
    }

    @Test func `added, removed and changed paths are told in order`() {
        let before = Self.listing([
            Self.file("v/b.py", "same"), Self.file("v/a.py", "old"), Self.file("v/gone.so", "12345"),
            Self.file("v/mode", "m"),
        ])
        let after = Self.listing([
            Self.file("v/b.py", "same"), Self.file("v/a.py", "new"), Self.file("v/new.txt", "1"),
            Self.file("v/mode", "m", mode: 0o755),
        ])
        let difference = LayerDifference(from: before, to: after)
        let lines = difference.changes.map { "\($0.kind.rawValue) \($0.member.displayPath) \($0.details)" }
        #expect(
            lines == [
                #"changed v/a.py ["content"]"#, "removed v/gone.so []",
                #"changed v/mode ["mode 0644 -> 0755"]"#, "added v/new.txt []",
            ]
        )
        #expect(difference.growth == -4)
        #expect(difference.count(of: .changed) == 2)
    }

    @Test func `a file that became a link is one change`() {
        let path = Array("v/x".utf8)
        let link = Member(path: path, kind: .symlink, mode: 0o777, target: Array("y".utf8))
        let other = Member(path: path, kind: .symlink, mode: 0o777, target: Array("z".utf8))
        let before = Self.listing([Self.file("v/x", "")])
        let (after, later) = (Self.listing([], others: [link]), Self.listing([], others: [other]))
        #expect(LayerDifference(from: before, to: after).changes.map(\.details) == [["file -> symlink"]])
        #expect(LayerDifference(from: after, to: later).changes.map(\.details) == [["target y -> z"]])
    }

    @Test func `the same list has no differences`() {
        let list = Self.listing([Self.file("a", "1"), Self.file("b", "2")])
        #expect(LayerDifference(from: list, to: list).changes.isEmpty)
    }

    @Test func `a path is looked for in the layer whose path it starts with`() throws {
        let entry = try Self.entry(layers: [(".", .home), ("venv", .workdir), ("venv/lib", .workdir)])
        let found = LayerLookup.candidates(for: "venv/lib/x.py", in: entry)
        #expect(found.map(\.layer) == [2, 1, 0])
        #expect(found.allSatisfy { $0.path == "venv/lib/x.py" })
        #expect(LayerLookup.candidates(for: "~/x", in: entry).map(\.layer) == [0])
        #expect(LayerLookup.candidates(for: "/x", in: entry).isEmpty)
    }

    @Test func `a path in no layer is taken as relative to each`() throws {
        let entry = try Self.entry(layers: [("venv", .workdir), ("caches/app.tar", .root)])
        #expect(LayerLookup.candidates(for: "./pyvenv.cfg", in: entry).map(\.path).first == "venv/pyvenv.cfg")
        #expect(LayerLookup.candidates(for: "/caches/app.tar", in: entry).map(\.layer) == [1])
    }

    private static func entry(layers: [(String, Anchor)]) throws -> Entry {
        let none = self.digest("")
        let now = Timestamp(milliseconds: 0)
        return Entry(
            id: 1,
            project: try ProjectName("a/b"),
            scope: .shared,
            key: try CacheKey("k"),
            layers: layers.map { path, anchor in
                Layer(
                    path: path,
                    anchor: anchor,
                    treeDigest: none,
                    recipe: none,
                    stamps: none,
                    size: 0,
                    memberCount: 0,
                    chunkCount: 0
                )
            },
            provenance: Provenance(template: "k"),
            createdAt: now,
            lastUsedAt: now
        )
    }
}

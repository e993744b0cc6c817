import Foundation
import LayerFiles
import LayerFormat
import Testing

/// Whether our list of an archive is the one that the program that wrote it, and others, would give.
struct ForeignTarTests {
    @Test(arguments: [
        "tar --format=v7 -C tree -cf t.tar .", "tar --format=ustar -C tree -cf t.tar .",
        "tar --format=gnu -C tree -cf t.tar .", "tar --format=posix -C tree -cf t.tar .",
        "tar --format=gnu --sparse -C tree -cf t.tar .", "tar --format=posix --sparse -C tree -cf t.tar .",
        "tar --format=posix --sparse --sparse-version=0.0 -C tree -cf t.tar .",
        "tar --format=posix --sparse --sparse-version=0.1 -C tree -cf t.tar .",
        "cd tree && tar --format=posix -cf ../t.tar -- *",
        "tar --format=posix --no-recursion -C tree -cf t.tar ./plain",
        "bsdtar --format=pax -C tree -cf t.tar .", "bsdtar --format=ustar -C tree -cf t.tar .",
        "bsdtar --format=gnutar -C tree -cf t.tar .", "bsdtar --format=v7tar -C tree -cf t.tar .",
        "bsdtar --format=pax --read-sparse -C tree -cf t.tar .",
        "python3 $TOOLS write ustar tree t.tar", "python3 $TOOLS write gnu tree t.tar",
        "python3 $TOOLS write pax tree t.tar",
    ])
    func `an archive is read as Python and GNU tar read it`(command: String) throws {
        let scratch = try TarScratch()
        try scratch.run("mkdir tree && python3 $TOOLS make tree")
        // v7 and ustar have no room for some names: the programs skip those and fail.
        try scratch.run(command, mayFail: true)
        let ours = try scratch.spool("t.tar").lines()
        let listed = try scratch.lines("python3 $TOOLS list-tar t.tar")
        #expect(!listed.isEmpty)
        // A list knows nothing of directories that are only implied; a program that extracts makes them.
        #expect(Set(listed).subtracting(ours) == [])
        try scratch.run("mkdir gnu && tar -C gnu -xpf t.tar")
        expectSame(ours, try scratch.lines("python3 $TOOLS list-tree gnu"))
    }

    @Test(arguments: ["tar --format=posix --sparse -C tree -cf t.tar .", "bsdtar --format=pax -C tree -cf t.tar ."])
    func `times are read to the nanosecond`(command: String) throws {
        let scratch = try TarScratch()
        try scratch.run("mkdir tree && python3 $TOOLS make tree && \(command)")
        let tree = try scratch.spool("t.tar")
        #expect(try tree.lines(withTimes: true) == scratch.lines("python3 $TOOLS list-times tree"))
        #expect(tree.rootPath == ".")
    }

    @Test func `holes of a sparse file are known and read as zeros`() throws {
        let scratch = try TarScratch()
        try scratch.run("truncate -s 20G big && printf data | dd of=big bs=1M seek=9000 conv=notrunc status=none")
        for version in [
            "gnu", "posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix --sparse-version=1.0",
        ] {
            try scratch.run("tar --sparse --format=\(version) -cf t.tar big")
            let tree = try scratch.spool("t.tar")
            #expect(tree.rootPath == "big")
            #expect(tree.members[0].size == 20 << 30)
            #expect(tree.stamps.sparseFiles.count == 1)
            let start = 9_000 << 20
            #expect(try tree.content(of: 0, (start - 2)..<(start + 6)) == [0, 0] + Array("data".utf8) + [0, 0])
            #expect(try tree.content(of: 0, ((20 << 30) - 10)..<(20 << 30)) == [UInt8](repeating: 0, count: 10))
        }
    }

    @Test func `the names of one file are equal and the first in order is the file`() throws {
        let scratch = try TarScratch()
        try scratch.run("mkdir d && echo x > d/z.txt && ln d/z.txt d/a.txt && tar -cf t.tar d/z.txt d/a.txt")
        let tree = try scratch.spool("t.tar")
        #expect(tree.rootPath == "d")
        #expect(tree.members.indices.map { tree.members.kind(at: $0) } == [.directory, .file, .hardlink])
        #expect(tree.members[0].mode == 0o755)
        #expect(tree.members[1].displayPath == "d/a.txt")
        #expect(tree.members[2].target == Array("d/a.txt".utf8))
        #expect(try tree.content(of: 1) == Array("x\n".utf8))
    }

    @Test func `an image that skopeo saved is read as Python reads it`() throws {
        let scratch = try TarScratch()
        guard try scratch.run("command -v skopeo umoci || true").split(separator: "\n").count == 2 else { return }
        try scratch.run("umoci init --layout oci && umoci new --image oci:latest && mkdir tree && echo hello > tree/a")
        try scratch.run("umoci insert --rootless --image oci:latest tree /data")
        let policy = #"{"default":[{"type":"insecureAcceptAnything"}]}"#
        try scratch.run("echo '\(policy)' > policy.json")
        try scratch.run("skopeo --policy policy.json copy oci:oci:latest docker-archive:t.tar:some/image:latest")
        let tree = try scratch.spool("t.tar")
        #expect(try tree.lines() == scratch.lines("python3 $TOOLS list-tar t.tar"))
        #expect(tree.members.indices.contains { tree.members[$0].displayPath == "manifest.json" })
    }

    @Test func `our canonical tar is read alike by GNU tar, bsdtar, Python and us`() throws {
        let scratch = try TarScratch()
        try scratch.run("mkdir tree && python3 $TOOLS make tree && tar --format=posix -C tree -cf t.tar .")
        let tree = try scratch.spool("t.tar")
        let expected = try tree.lines()
        let tar = try tree.canonicalTar()
        #expect(tar.count == CanonicalTar.streamSize(of: tree.members))
        #expect(StreamLayout(of: tree.members).size == tar.count)
        try Data(tar).write(to: URL(fileURLWithPath: "\(scratch.path)/ours.tar"))
        try scratch.run("mkdir gnu bsd && tar -C gnu -xpf ours.tar && bsdtar -C bsd -xpf ours.tar")
        expectSame(try scratch.lines("python3 $TOOLS list-tar ours.tar"), expected)
        expectSame(try scratch.lines("python3 $TOOLS list-tree gnu"), expected)
        expectSame(try scratch.lines("python3 $TOOLS list-tree bsd"), expected)
        let ours = try scratch.spool("ours.tar")
        #expect(ours.members == tree.members)
        #expect(ours.stamps.mtimes.allSatisfy { $0 == 0 })
    }

    @Test func `our exact tar carries every time and stamp`() throws {
        let scratch = try TarScratch()
        try scratch.run("mkdir tree && python3 $TOOLS make tree && tar --format=posix -C tree -cf t.tar .")
        let tree = try scratch.spool("t.tar")
        var stamps = tree.stamps
        // bsdtar 3.6 misreads the fraction of a negative time, so only whole seconds are compared.
        stamps.mtimes[0] = -2_000_000_000
        stamps.mtimes[1] = 1
        var writer = try ExactTarWriter(members: tree.members, stamps: stamps)
        var exact: [UInt8] = []
        for piece in try tree.canonicalTar().chunked(by: 12_345) {
            try piece.withUnsafeBytes { try writer.write($0) { exact += $0 } }
        }
        try writer.finish()
        #expect(exact.count == writer.size)
        try Data(exact).write(to: URL(fileURLWithPath: "\(scratch.path)/exact.tar"))
        let ours = try scratch.spool("exact.tar")
        #expect(ours.members == tree.members)
        #expect(ours.stamps.mtimes == stamps.mtimes)
        let expected = try ours.lines(withTimes: true)
        // Directories come first in a layer; GNU tar sets their times too early unless told otherwise.
        try scratch.run("mkdir gnu bsd && tar --delay-directory-restore -C gnu -xpf exact.tar")
        try scratch.run("bsdtar -C bsd -xpf exact.tar")
        expectSame(try scratch.lines("python3 $TOOLS list-times gnu"), expected)
        expectSame(try scratch.lines("python3 $TOOLS list-times bsd"), expected)
    }
}

/// Expects the same lines and shows the first that differ.
private func expectSame(_ first: [String], _ second: [String], _ location: SourceLocation = #_sourceLocation) {
    let difference = Set(first).symmetricDifference(second).sorted().prefix(4)
    #expect(difference == [], sourceLocation: location)
    #expect(first.count == second.count, sourceLocation: location)
}

extension Array {
    fileprivate func chunked(by size: Int) -> [ArraySlice<Element>] {
        stride(from: 0, to: self.count, by: size).map { self[$0..<Swift.min($0 + size, self.count)] }
    }
}

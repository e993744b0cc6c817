import Foundation
import Testing

/// It must show 2 and 4: what comes back is what was saved.
struct RestoredTreeTests {
    static func snapshot(_ directory: String, _ name: String) throws -> String {
        try shell("python3 '\(Programs.repository)/Tests/EndToEndTests/snapshot.py' '\(directory)' '\(name)'", in: "/")
    }

    /// A tree with everything that file systems allow and people forget.
    static let makeStrangeTree = #"""
        import os
        os.umask(0)
        os.makedirs("tree/empty"); os.makedirs("tree/locked"); os.mkdir("tree/sp ace")
        def write(path, data=b"x", mode=0o644):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, mode); os.write(descriptor, data); os.close(descriptor)
        write(b"tree/new\nline", b"1"); write(b"tree/not-utf8-\xff\xfe", b"2"); write("tree/sp ace/ü", b"3")
        write(b"tree/" + b"n" * 255, b"4"); write("tree/exec", b"#!/bin/sh\n", 0o755); write("tree/none", b"", 0o600)
        write("tree/readonly", b"5", 0o444); write("tree/locked/in", b"6"); os.chmod("tree/locked", 0o500)
        os.symlink("/usr/bin/python3", "tree/absolute"); os.symlink("../outside", "tree/dangling")
        os.symlink(b"to\n\xff", "tree/strange-link"); os.link("tree/exec", "tree/exec-again")
        os.link("tree/exec", "tree/sp ace/exec.third")
        with open("tree/holes", "wb") as f:
            f.seek(3_000_000); f.write(b"middle"); f.seek(9_000_000); f.write(b"end"); f.truncate(12_000_000)
        with open("tree/big", "wb") as f:
            for i in range(70): f.write(os.urandom(100_000))
        deep = os.open("tree", os.O_RDONLY)
        for i in range(30):
            os.mkdir("d" * 200, dir_fd=deep)
            deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=deep); os.close(deep); deep = deeper
        os.close(os.open("at-the-bottom", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=deep))
        for i, name in enumerate(["tree/exec", "tree/none", "tree/empty", "tree/holes"]):
            os.utime(name, ns=(0, 1_234_567_890_123_456_789 + i))
        os.utime("tree/absolute", ns=(0, 987_654_321), follow_symlinks=False)
        os.utime("tree/readonly", ns=(0, -5_000_000_001))
        os.utime("tree", ns=(0, 1_600_000_000_000_000_001))
        """#

    @Test func `a strange tree comes back to the last bit`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write(Self.makeStrangeTree, to: "make.py")
        try shell("python3 make.py", in: job.directory)
        let before = try Self.snapshot(job.directory, "tree")
        #expect(try job.save("strange-1", "tree")["outcome"] as? String == "saved")

        try shell("chmod -R u+rwx tree; rm -rf tree", in: job.directory)
        let restored = try job.restore("strange-1")
        #expect(restored["outcome"] as? String == "hit")
        #expect(restored["exact"] as? Bool == true)
        #expect(try Self.snapshot(job.directory, "tree") == before)

        let again = try job.restore("strange-1")
        #expect(again["filesWritten"] as? Int == 0)
        #expect(again["chunksDownloaded"] as? Int == 0)
        #expect(try Self.snapshot(job.directory, "tree") == before)
    }

    @Test func `a damaged, changed or extended tree is put right`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try shell(
            "mkdir -p tree/a; for i in $(seq 200); do head -c 3000 /dev/urandom > tree/a/$i; done",
            in: job.directory
        )
        let before = try Self.snapshot(job.directory, "tree")
        _ = try job.save("k1", "tree")
        try shell("echo damaged > tree/a/7; rm tree/a/8; touch tree/a/9; echo new > tree/extra", in: job.directory)
        let restored = try job.restore("k1")
        #expect(try Self.snapshot(job.directory, "tree") == before)
        #expect((restored["filesKept"] as? Int ?? 0) >= 190)
    }

    @Test func `plain curl and tar get the same tree, times included`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try shell(
            """
            mkdir -p tree/pkg tree/empty; printf 'x = 1\\n' > tree/pkg/m.py; ln -s m.py tree/pkg/link
            ln tree/pkg/m.py tree/pkg/hard; ln -s /usr/bin/python3 tree/pkg/python; ln -s ../../up tree/pkg/up; touch -d '2020-01-02 03:04:05.123456789' tree/pkg/m.py
            python3 -m compileall -q tree; touch -d '2019-01-01 00:00:00.5' tree/empty; chmod 550 tree/pkg
            touch -d '2018-01-01 00:00:00.25' tree/pkg tree
            """,
            in: job.directory
        )
        let before = try Self.snapshot(job.directory, "tree")
        _ = try job.save("plain/+=1", "tree")
        for (suffix, flag) in [("tar.zst", "--zstd"), ("tar.gz", "-z"), ("tar", "")] {
            let target = try job.scratch.folder("plain-\(suffix)")
            let address = "\(server.project)/entries/plain%2F%2B%3D1/layers/0.\(suffix)"
            try shell("curl -sSf '\(address)' | tar \(flag) -x", in: target)
            #expect(try Self.snapshot(target, "tree") == before, "\(suffix)")
        }
    }

    @Test func `a tree that changed a little is saved whole, also where the last save was elsewhere`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        let script = "mkdir tree; for i in $(seq 40); do head -c 200000 /dev/urandom > tree/$i.bin; done"
        try shell(script, in: job.directory)
        _ = try job.save("first", "tree")
        try shell("echo more >> tree/20.bin; rm tree/3.bin; sleep 0.2", in: job.directory)
        let wanted = try Self.snapshot(job.directory, "tree")
        #expect(try job.save("second", "tree")["chunksUploaded"] as? Int ?? 0 < 8)
        // Nothing of what the client remembers is in another project.
        job.environment["TARN_PROJECT"] = "acme/other"
        try shell("echo less > tree/21.bin; rm -r tree/4.bin", in: job.directory)
        let other = try Self.snapshot(job.directory, "tree")
        #expect(try job.save("third", "tree")["chunksUploaded"] as? Int ?? 0 > 8)
        try shell("rm -r tree", in: job.directory)
        _ = try job.restore("third")
        #expect(try Self.snapshot(job.directory, "tree") == other)
        job.environment["TARN_PROJECT"] = "acme/shop"
        try shell("rm -r tree", in: job.directory)
        _ = try job.restore("second")
        #expect(try Self.snapshot(job.directory, "tree") == wanted)
    }

    @Test func `an image archive outside of the project comes back`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        let caches = try job.scratch.folder("caches")
        try shell("head -c 30000000 /dev/urandom > app.tar; chmod 640 app.tar", in: caches)
        let before = try Self.snapshot(caches, "app.tar")
        let key = "v1-{{ .Branch }}"
        #expect(try job.save(key, "\(caches)/app.tar")["outcome"] as? String == "saved")
        try shell("rm app.tar", in: caches)
        #expect(try job.restore(key)["matchedKey"] as? String == "v1-main")
        #expect(try Self.snapshot(caches, "app.tar") == before)
        #expect(try job.save(key, "\(caches)/app.tar")["outcome"] as? String == "exists")
    }

    @Test func `a cache made in one home restores in another`() throws {
        let server = try TarnServer()
        let first = try Job(server.url)
        try shell("mkdir -p $HOME/.npm; echo 1 > $HOME/.npm/x", in: first.directory, environment: first.environment)
        _ = try first.save("npm", "~/.npm")
        let second = try Job(server.url)
        #expect(try second.restore("npm")["outcome"] as? String == "hit")
        #expect(try shell("cat $HOME/.npm/x", in: "/", environment: second.environment) == "1\n")
    }

    @Test func `one file, a foreign tar up and an export down`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try shell("mkdir -p t/sub; echo hello > t/sub/f; touch -d '2021-01-01' t/sub/f t/sub t", in: job.directory)
        let before = try Self.snapshot(job.directory, "t")
        try shell("tar -cf t.tar t; tar --zstd -cf t.tar.zst t; tar -czf t.tar.gz t; rm -r t", in: job.directory)
        for file in ["t.tar", "t.tar.zst", "t.tar.gz"] {
            try shell("curl -sSf -T \(file) '\(server.project)/entries/up-\(file)/layers/0.tar'", in: job.directory)
            #expect(try job.restore("up-\(file)", flags: ["--match", "exact"])["outcome"] as? String == "hit")
            #expect(try Self.snapshot(job.directory, "t") == before, "\(file)")
            try shell("rm -r t", in: job.directory)
        }
        #expect(
            try shell("curl -sSf '\(server.project)/entries/up-t.tar/layers/0/files/t/sub/f'", in: "/") == "hello\n"
        )
        let exported = try job.run("cachectl", "export", "up-t.tar.gz", "out.tar.zst")
        #expect(exported.status == 0, "\(exported.errors)")
        try shell("tar --zstd -xf out.tar.zst", in: job.directory)
        #expect(try Self.snapshot(job.directory, "t") == before)
        try shell(
            "mkdir -p $TMPDIR/deep/caches; echo image > $TMPDIR/deep/caches/app.tar; tar -C $TMPDIR/deep -cf deep.tar caches/app.tar",
            in: job.directory,
            environment: job.environment
        )
        let deep = try job.run("cachectl", "import", "deep", "deep.tar", "--path", "caches/app.tar")
        #expect(deep.status == 0, "\(deep.errors)")
        #expect(try job.restore("deep")["outcome"] as? String == "hit")
        #expect(try shell("cat caches/app.tar", in: job.directory) == "image\n")
        let imported = try job.run("cachectl", "import", "imported", "t.tar.gz")
        #expect(imported.status == 0, "\(imported.errors)")
        #expect(try job.run("cachectl", "cat", "imported", "t/sub/f").output == "hello\n")
    }
}

import Foundation
import Testing

/// Disks that are full, read-only or hung: real file systems in a file, which only root can mount.
@Suite(.serialized, .enabled(if: LoopDisk.isPossible, "needs root and loop devices to mount small file systems"))
struct DiskTests {
    @Test func `on a full disk reads and removals go on, saves are refused, and it recovers by itself`() throws {
        let disk = try LoopDisk(megabytes: 64)
        let server = try TarnServer(
            flags: ["--min-free-space", "0", "--ballast", "1MiB", "--undo-time", "1s"],
            data: disk.path + "/data"
        )
        let job = try Job(server.url)
        try shell(
            "mkdir one two; head -c 4000000 /dev/urandom > one/data; head -c 4000000 /dev/urandom > two/data",
            in: job.directory
        )
        let before = try RestoredTreeTests.snapshot(job.directory, "one")
        _ = try job.save("one", "one")
        try disk.fill()

        let refused = try job.start("save_cache", ["--key", "two", "--path", "two"]).finish()
        #expect(refused.status == 0 && refused.errors.contains("disk"), "\(refused.errors)\(refused.output)")
        try shell("rm -r one", in: job.directory)
        #expect(try job.restore("one")["outcome"] as? String == "hit")
        #expect(try RestoredTreeTests.snapshot(job.directory, "one") == before)
        let removed = try job.run("cachectl", "rm", "one")
        #expect(removed.status == 0, "\(removed.errors)")
        #expect(try shell("curl -s -o /dev/null -w '%{http_code}' '\(server.url)/healthz'", in: "/") == "200")

        try disk.unfill()
        #expect(try job.save("two", "two")["outcome"] as? String == "saved")
        #expect(try job.run("cachectl", "fsck", "--read-data").status == 0)
        #expect(server.stop().status == 0)
    }

    @Test func `without inodes saves are refused, and the rest goes on`() throws {
        let disk = try LoopDisk(megabytes: 64)
        let server = try TarnServer(data: disk.path + "/data")
        let job = try Job(server.url)
        try shell("mkdir one two; echo 1 > one/data; echo 2 > two/data", in: job.directory)
        _ = try job.save("one", "one")
        try shell("mkdir f; cd f; i=0; while : > $i; do i=$((i+1)); done 2> /dev/null || true", in: disk.path)
        #expect(try job.start("save_cache", ["--key", "two", "--path", "two"]).finish().status == 0)
        #expect(try job.restore("two")["outcome"] as? String == "miss")
        #expect(try job.restore("one")["outcome"] as? String == "hit")
        try shell("rm -r f", in: disk.path)
        #expect(try job.save("two", "two")["outcome"] as? String == "saved")
    }

    @Test func `a disk that hangs makes the server not ready, and cached bytes are still served`() throws {
        let disk = try LoopDisk(megabytes: 64)
        let server = try TarnServer(data: disk.path + "/data")
        let job = try Job(server.url)
        try shell("mkdir one; head -c 4000000 /dev/urandom > one/data", in: job.directory)
        _ = try job.save("one", "one")
        let ready = "curl -s -m 5 -o /dev/null -w '%{http_code}' '\(server.url)/readyz'"
        #expect(try shell(ready, in: "/") == "200")
        try disk.freeze()
        #expect(try shell(ready, in: "/") == "503")
        #expect(try shell("curl -s -m 2 -o /dev/null -w '%{http_code}' '\(server.url)/healthz'", in: "/") == "200")
        try shell("rm -r one", in: job.directory)
        #expect(try job.restore("one")["outcome"] as? String == "hit")
        try disk.thaw()
        #expect(try shell(ready, in: "/") == "200")
        #expect(try job.save("again", "one")["outcome"] as? String != nil)
    }

    @Test func `a disk that became read-only is still read`() throws {
        let disk = try LoopDisk(megabytes: 64)
        let server = try TarnServer(data: disk.path + "/data")
        let job = try Job(server.url)
        try shell("mkdir one two; head -c 4000000 /dev/urandom > one/data; echo 2 > two/data", in: job.directory)
        _ = try job.save("one", "one")
        try disk.breakDown()
        #expect(try shell("curl -s -m 5 -o /dev/null -w '%{http_code}' '\(server.url)/readyz'", in: "/") == "503")
        try shell("rm -r one", in: job.directory)
        #expect(try job.restore("one")["outcome"] as? String == "hit")
        #expect(try job.start("save_cache", ["--key", "two", "--path", "two"]).finish().status == 0)
        #expect(try job.restore("two")["outcome"] as? String == "miss")
    }
}

/// A small ext4 file system in a file, mounted for a test.
final class LoopDisk {
    static let isPossible: Bool = {
        guard geteuid() == 0 else { return false }
        return (try? LoopDisk(megabytes: 8)) != nil
    }()

    let path: String
    private let scratch: Scratch

    init(megabytes: Int) throws {
        self.scratch = try Scratch("disk")
        self.path = try self.scratch.folder("mount")
        let line = """
            truncate -s \(megabytes)M image
            mkfs.ext4 -q -F -m 0 -N 4096 image
            mount -o loop,errors=remount-ro image mount
            """
        let script = try Running(
            "/bin/bash",
            ["-ec", line],
            in: self.scratch.path,
            environment: ProcessInfo.processInfo.environment
        ).finish()
        guard script.status == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    deinit {
        _ = try? shell("fsfreeze -u '\(self.path)' 2> /dev/null || true; umount -l '\(self.path)' || true", in: "/")
    }

    /// Takes all bytes that are free.
    func fill() throws {
        try shell(
            "cat /dev/zero > filler 2> /dev/null || true; sync -f filler; cat /dev/zero >> filler 2> /dev/null || true",
            in: self.path
        )
    }

    func unfill() throws { try shell("rm filler; sync -f .", in: self.path) }
    func freeze() throws { try shell("fsfreeze -f '\(self.path)'", in: "/") }
    func thaw() throws { try shell("fsfreeze -u '\(self.path)'", in: "/") }

    /// Makes the kernel believe that the file system is damaged.
    func breakDown() throws {
        try shell(
            "echo x > /sys/fs/ext4/$(basename $(findmnt -n -o SOURCE '\(self.path)'))/trigger_fs_error",
            in: "/"
        )
    }
}

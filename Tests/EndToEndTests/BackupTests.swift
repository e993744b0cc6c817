import Foundation
import Testing

/// Backups of a running server, through the real programs.
struct BackupTests {
    private func tarnd(_ arguments: String...) throws -> Finished {
        try Running(
            Programs.path("tarnd"),
            arguments,
            in: "/",
            environment: ProcessInfo.processInfo.environment
        ).finish()
    }

    @Test(arguments: [[], ["--copy"]])
    func `a backup of a running server has every entry, and the next one brings only what is new`(
        flags: [String]
    ) throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        let target = "\(server.scratch.path)/backup"
        let backup = {
            try Running(
                Programs.path("tarnd"),
                ["backup", "--data", server.data, target] + flags,
                in: "/",
                environment: ProcessInfo.processInfo.environment
            ).finish()
        }
        for index in 0..<3 {
            try shell(
                "mkdir t\(index); head -c 400000 /dev/urandom > t\(index)/f; ln -s f t\(index)/l",
                in: job.directory
            )
            _ = try job.save("k\(index)", "t\(index)")
        }
        let first = try backup()
        #expect(first.status == 0 && first.output.hasPrefix("3 entries in "), "\(first.output)\(first.errors)")
        #expect(first.output.contains(", 0 of them linked") == !flags.isEmpty)
        let nothing = try backup()
        #expect(nothing.status == 0 && nothing.output.contains("; 0 new blobs"), "\(nothing.output)\(nothing.errors)")
        try job.write("new", to: "t3/f")
        _ = try job.save("k3", "t3")
        // A tree of one small file: its chunk, content digests, recipe, stamps, record.
        let second = try backup()
        #expect(second.output.hasPrefix("4 entries in ") && second.output.contains("; 5 new blobs"), "\(second.output)")
        let before = try (0..<4).map { try RestoredTreeTests.snapshot(job.directory, "t\($0)") }
        #expect(server.stop().status == 0)

        try shell("rm -rf '\(server.data)'", in: "/")
        let restored = try self.tarnd("restore-backup", target, "--data", server.data, "--read-data")
        #expect(restored.status == 0 && restored.output.hasPrefix("4 entries"), "\(restored.output)\(restored.errors)")
        let again = try TarnServer(data: server.data)
        job.environment["TARN_URL"] = again.url
        try shell("rm -rf t*", in: job.directory)
        for index in 0..<4 { #expect(try job.restore("k\(index)")["outcome"] as? String == "hit") }
        #expect(try (0..<4).map { try RestoredTreeTests.snapshot(job.directory, "t\($0)") } == before)
        // The seal came along: a rebuild of the restored folder believes its records.
        #expect(again.stop().status == 0)
        let rebuilt = try self.tarnd("rebuild-index", "--data", server.data)
        #expect(rebuilt.status == 0 && rebuilt.output.contains("4 entries are back"), "\(rebuilt.output)")
    }

    @Test func `backups made while jobs save and the collector deletes are all complete`() throws {
        let server = try TarnServer(flags: ["--max-size", "12MB", "--collect-interval", "1s", "--undo-time", "1s"])
        let target = "\(server.scratch.path)/backup"
        let line = """
            i=0; d=$(mktemp -d -p '\(server.scratch.path)')
            while [ ! -e '\(server.scratch.path)/stop' ]; do
              i=$((i+1)); head -c 300000 /dev/urandom > $d/f; tar -C $d -cf $d.tar f
              curl -sf -T $d.tar "\(server.project)/entries/$0-$i/layers/0.tar" > $d.log
            done
            """
        let savers = try (0..<3).map { number in
            try Running(
                "/bin/bash",
                ["-c", line, "saver\(number)"],
                in: "/",
                environment: ProcessInfo.processInfo.environment
            )
        }
        var entries = 0
        for round in 0..<12 {
            let backup = try self.tarnd("backup", "--data", server.data, target)
            #expect(backup.status == 0, "\(backup.output)\(backup.errors)")
            let new = "\(server.scratch.path)/restored-\(round)"
            let restored = try self.tarnd("restore-backup", target, "--data", new, "--read-data")
            #expect(restored.status == 0, "\(restored.output)\(restored.errors)")
            entries += Int(restored.output.prefix { $0.isNumber }) ?? 0
        }
        try shell("touch '\(server.scratch.path)/stop'", in: "/")
        for saver in savers { _ = saver.finish() }
        #expect(entries > 100)
        let metrics = try shell("curl -s \(server.url)/metrics", in: "/")
        let line2 = metrics.split(separator: "\n").first { $0.contains("removed_entries_total{reason=\"evicted\"}") }
        let evicted = try #require(line2?.split(separator: " ").last.flatMap { Double($0) })
        #expect(evicted > 50)
    }

    @Test func `folders that are not what they should be are refused`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("x", to: "data/file")
        _ = try job.save("k", "data")
        let (target, full) = ("\(server.scratch.path)/backup", try server.scratch.folder("full"))
        try shell("echo mine > '\(full)/file'", in: "/")
        #expect(try self.tarnd("backup", "--data", full, target).errors.contains("no tarn.json"))
        #expect(try self.tarnd("backup", "--data", server.data, full).errors.contains("has 'file'"))
        #expect(try self.tarnd("backup", "--data", server.data, server.data).status == 2)
        #expect(try self.tarnd("backup", "--data", server.data, target).status == 0)
        #expect(try self.tarnd("restore-backup", target, "--data", full).errors.contains("has 'file'"))
        #expect(try self.tarnd("restore-backup", target, "--data", server.data).errors.contains("name an empty folder"))
        #expect(try self.tarnd("restore-backup", full, "--data", "\(target)-2").errors.contains("no finished backup"))
        // A server does not take a backup for a data folder.
        let served = try self.tarnd("--data", target, "--listen", "127.0.0.1:0")
        #expect(served.status == 1 && served.errors.contains("no tarn.json"))
    }

    @Test func `an entry that lost its bytes is told, and is not in the backup`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        for key in ["a", "b"] {
            try shell("mkdir \(key); head -c 5000000 /dev/urandom > \(key)/f", in: job.directory)
            _ = try job.save(key, key)
        }
        let large = "find blobs -type f -size +60k | sort"
        try shell("rm $(\(large) | sed -n 1p)", in: server.data)
        let target = "\(server.scratch.path)/backup"
        let backup = try self.tarnd("backup", "--data", server.data, target)
        #expect(backup.status == 1 && backup.output.hasPrefix("1 entries in "), "\(backup.output)\(backup.errors)")
        #expect(backup.errors.contains("is left out: bytes are missing"))
        // Damage in the backup itself is found when it is restored.
        try shell("rm $(\(large))", in: target)
        let restored = try self.tarnd("restore-backup", target, "--data", "\(server.scratch.path)/new")
        #expect(
            restored.status == 1 && restored.output.hasPrefix("0 entries in "),
            "\(restored.output)\(restored.errors)"
        )
    }
}

import Foundation
import Testing

/// It must show 6 to 8: kill -9 on either side, hostile archives, a full budget.
struct CrashTests {
    @Test(arguments: 0..<6)
    func `a server killed in mid-save starts clean, and the save can be repeated`(round: Int) throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try shell("mkdir tree; for i in $(seq 40); do head -c 1000000 /dev/urandom > tree/$i; done", in: job.directory)
        let before = try RestoredTreeTests.snapshot(job.directory, "tree")
        let save = try job.start("save_cache", ["--key", "k", "--path", "tree"])
        // The server is killed once it has stored some more blobs than in the round before.
        while save.process.isRunning, Self.blobCount(server.data) < 1 + round * 8 { sched_yield() }
        try server.crashAndRestart()
        #expect(save.finish().status == 0)

        job.environment["TARN_URL"] = server.url
        let outcome = try job.save("k", "tree")["outcome"] as? String
        #expect(["saved", "known", "exists"].contains(outcome))
        try shell("rm -r tree", in: job.directory)
        #expect(try job.restore("k")["outcome"] as? String == "hit")
        #expect(try RestoredTreeTests.snapshot(job.directory, "tree") == before)
        let check = try job.run("cachectl", "fsck", "--read-data", "--repair")
        #expect([0, 1].contains(check.status), "\(check.output)\(check.errors)")
        let second = try job.run("cachectl", "fsck", "--read-data")
        #expect(second.status == 0, "\(second.output)\(second.errors)")
    }

    static func blobCount(_ data: String) -> Int {
        var count = 0
        let files = FileManager.default.enumerator(atPath: "\(data)/blobs")
        while let path = files?.nextObject() as? String { count += path.utf8.count > 60 ? 1 : 0 }
        return count
    }

    @Test(arguments: 0..<8)
    func `a client killed in mid-restore leaves the old tree or the new one`(round: Int) throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try shell(
            "mkdir tree; for i in $(seq 600); do mkdir -p tree/$((i % 40)); head -c 20000 /dev/urandom > tree/$((i % 40))/$i; done",
            in: job.directory
        )
        let new = try RestoredTreeTests.snapshot(job.directory, "tree")
        _ = try job.save("k", "tree")
        try shell("rm -r tree; mkdir tree; echo old > tree/old", in: job.directory)
        let old = try RestoredTreeTests.snapshot(job.directory, "tree")
        let restore = try job.start("restore_cache", ["--key", "k"])
        // Each round lets the client get further: its staging folder shows how far it is.
        while restore.process.isRunning, Self.stagedFiles(job.directory) < round * 80 { sched_yield() }
        restore.signal(SIGKILL)
        _ = restore.finish()
        let after = try RestoredTreeTests.snapshot(job.directory, "tree")
        #expect(after == old || after == new)
        #expect(try job.restore("k")["outcome"] as? String == "hit")
        #expect(try RestoredTreeTests.snapshot(job.directory, "tree") == new)
        let left = try FileManager.default.contentsOfDirectory(atPath: job.directory)
        #expect(left == ["tree"], "leftovers: \(left)")
    }

    static func stagedFiles(_ directory: String) -> Int {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        guard let staging = names.first(where: { $0.hasPrefix(".tree.tarn-") }) else { return -1 }
        var count = 0
        let files = FileManager.default.enumerator(atPath: "\(directory)/\(staging)")
        while files?.nextObject() != nil { count += 1 }
        return count
    }

    @Test func `hostile archives are refused one by one, and nothing is written outside`() throws {
        // The bombs are files of zeros: only the limit makes them too large.
        let server = try TarnServer(flags: ["--max-entry-size", "64MiB"])
        let job = try Job(server.url)
        let corpus = try job.scratch.folder("corpus")
        try shell("python3 '\(Programs.repository)/Tests/Corpora/hostile-tars.py' '\(corpus)'", in: "/")
        let names = try FileManager.default.contentsOfDirectory(atPath: corpus).sorted()
        #expect(names.count >= 120)
        let canary = try job.scratch.folder("canary")
        for name in names {
            let target = try job.scratch.folder("target-\(name)")
            let imported = try job.run("cachectl", "import", name, "\(corpus)/\(name)")
            if name.contains("-refuse-") {
                #expect(imported.status == 1 || imported.status == 2, "\(name): \(imported.status)")
                #expect(!(imported.errors + imported.output).isEmpty, "\(name) gave no message")
            } else {
                let restored = try job.start("restore_cache", ["--key", name, "--match", "exact", "--to", target])
                    .finish()
                #expect(restored.status == 0, "\(name): \(restored.errors)")
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: canary).isEmpty)
        let strays = try shell(
            "find '\(job.scratch.path)' -path '*/target-*' -prune -o -newer '\(corpus)' -print",
            in: "/"
        )
        for stray in strays.split(separator: "\n") where stray.contains("evil") || stray.contains("escape") {
            Issue.record("written outside of a target: \(stray)")
        }
    }

    @Test func `a budget filled five times over is kept, oldest entries go first and pinned ones stay`() throws {
        let budget = 40_000_000
        let server = try TarnServer(flags: ["--max-size", "40MB"])
        let job = try Job(server.url)
        var largest = 0
        for index in 0..<40 {
            try shell("rm -rf tree; mkdir tree; head -c 5000000 /dev/urandom > tree/data", in: job.directory)
            #expect(try job.save("entry-\(index)", "tree")["outcome"] as? String == "saved", "\(index)")
            if index == 0 { #expect(try job.run("cachectl", "pin", "entry-0").status == 0) }
            let size = try #require(Int(try shell("du -sb '\(server.data)' | cut -f1", in: "/").dropLast()))
            largest = max(largest, size)
        }
        #expect(largest <= budget + 8_000_000, "the folder had \(largest) bytes")
        #expect(try job.restore("entry-0", flags: ["--match", "exact"])["outcome"] as? String == "hit")
        #expect(try job.restore("entry-39", flags: ["--match", "exact"])["outcome"] as? String == "hit")
        #expect(try job.restore("entry-1", flags: ["--match", "exact"])["outcome"] as? String == "miss")
        #expect(try job.run("cachectl", "why", "entry-1").output.contains("evicted"))
    }

    @Test func `restores beside evictions never see a missing chunk`() throws {
        let server = try TarnServer(flags: ["--max-size", "30MB"])
        let writer = try Job(server.url)
        let reader = try Job(server.url)
        try shell("mkdir tree; head -c 4000000 /dev/urandom > tree/data", in: writer.directory)
        _ = try writer.save("entry-0", "tree")
        for index in 1..<20 {
            try shell("head -c 4000000 /dev/urandom > tree/data", in: writer.directory)
            let save = try writer.start("save_cache", ["--key", "entry-\(index)", "--path", "tree", "--strict"])
            try shell("rm -rf tree", in: reader.directory)
            let restored = try reader.run("restore_cache", "--key", "entry-", "--strict")
            #expect(restored.status == 0, "\(restored.output)\(restored.errors)")
            #expect(try shell("stat -c %s tree/data", in: reader.directory) == "4000000\n")
            let saved = save.finish()
            #expect(saved.status == 0, "\(saved.output)\(saved.errors)")
        }
    }

    @Test func `a server that is told to stop finishes the save in flight`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try shell("mkdir tree; head -c 20000000 /dev/urandom > tree/data", in: job.directory)
        _ = try job.save("k", "tree")
        let finished = server.stop()
        #expect(finished.status == 0, "\(finished.errors)")
    }
}

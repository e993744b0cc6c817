import Foundation
import Testing

/// What CircleCI's users rely on (keys, prefixes, immutability, messages), through the real programs.
struct JobTests {
    @Test func `the newest entry that starts with the key wins, unless an exact match is asked for`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        for key in ["v1-myapp-cache", "v1-myapp-cache-new"] {
            try job.write(key, to: "data/file")
            _ = try job.save(key, "data")
        }
        let newest = try job.restore("v1-myapp-cache")
        #expect(newest["matchedKey"] as? String == "v1-myapp-cache-new")
        #expect(newest["exact"] as? Bool == false)
        let exact = try job.restore("v1-myapp-cache", flags: ["--match", "exact"])
        #expect(exact["matchedKey"] as? String == "v1-myapp-cache")
        #expect(try shell("cat data/file", in: job.directory) == "v1-myapp-cache")
    }

    @Test func `the first key with any match wins, though a later one has a newer entry`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        for key in ["deps-main-1", "deps-2"] {
            try job.write(key, to: "data/file")
            _ = try job.save(key, "data")
        }
        #expect(try job.restore("deps-none", "deps-main-", "deps-")["matchedKey"] as? String == "deps-main-1")
    }

    @Test func `saving a key twice changes nothing and says so in CircleCI's words`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("first", to: "data/file")
        _ = try job.save("k", "data")
        try job.write("second", to: "data/file")
        let again = try job.run("save_cache", "--key", "k", "--path", "data")
        #expect(again.status == 0)
        #expect(again.output.contains("Skipping cache generation, cache already exists for key: k"))
        #expect(again.output.contains("Found one created at 20"))
        _ = try job.restore("k")
        #expect(try shell("cat data/file", in: job.directory) == "first")
    }

    @Test func `a replaced entry can be brought back`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("first", to: "data/file")
        _ = try job.save("k", "data")
        try job.write("second", to: "data/file")
        #expect(try job.save("k", "data", flags: ["--replace"])["outcome"] as? String == "saved")
        _ = try job.restore("k")
        #expect(try shell("cat data/file", in: job.directory) == "second")
    }

    @Test func `900 bytes of key are stored and 901 are refused with a reason`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("x", to: "data/file")
        #expect(try job.save(String(repeating: "k", count: 900), "data")["outcome"] as? String == "saved")
        let refused = try job.run("save_cache", "--key", String(repeating: "k", count: 901), "--path", "data")
        #expect(refused.status == 0)
        #expect((refused.output + refused.errors).contains("900"))
        let strict = try job.run(
            "save_cache",
            "--strict",
            "--key",
            String(repeating: "k", count: 901),
            "--path",
            "data"
        )
        #expect(strict.status == 1)
    }

    @Test func `a missing checksum file is an error line, and the next key is tried`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("x", to: "data/file")
        _ = try job.save("deps-v1-fallback", "data")
        let finished = try job.run(
            "restore_cache",
            "--key",
            #"deps-v1-{{ checksum "pyproject.toml" }}"#,
            "--key",
            "deps-v1-"
        )
        #expect(finished.status == 0)
        let text = finished.output + finished.errors
        #expect(
            text.contains(
                #"error computing cache key: template: cacheKey:1:11: executing "cacheKey" at <checksum "pyproject.toml">"#
            )
        )
        #expect(text.contains("no such file or directory"))
        #expect(text.contains("Found a cache"))
    }

    @Test func `a missing path warns, and nothing at all is refused`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("x", to: "data/file")
        let partly = try job.run("save_cache", "--key", "a", "--path", "data", "--path", "absent")
        #expect(
            (partly.output + partly.errors).contains("Warning: could not archive \(job.directory)/absent - Not found")
        )
        #expect(partly.output.contains("Stored Cache to a"))
        let nothing = try job.save("b", "absent")
        #expect(nothing["outcome"] as? String == "refused")
        #expect(try job.restore("b")["outcome"] as? String == "miss")
    }

    @Test func `keys survive the way to the server and back`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("x", to: "data/file")
        for key in ["a/b", "a+b=c", "100%", "%2F", "ü ☃", "q?x=1&y#z", "..", "a\\b\"c"] {
            #expect(try job.save(key, "data")["key"] as? String == key)
            #expect(try job.restore(key, flags: ["--match", "exact"])["matchedKey"] as? String == key)
            #expect(try job.run("cachectl", "show", key).status == 0, "\(key)")
        }
    }

    @Test func `a step can be pasted unchanged`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("Django==4.2\n", to: "requirements.txt")
        try job.write("x", to: "venv/file")
        try job.write(
            """
            - save_cache:
                key: deps1-{{ .Branch }}-{{ checksum "requirements.txt" }}
                paths:
                  - "venv"
            """,
            to: "save.yml"
        )
        try job.write(
            """
            restore_cache:
              keys:
                - deps1-{{ .Branch }}-{{ checksum "requirements.txt" }}
                - deps1-{{ .Branch }}-
            """,
            to: "restore.yml"
        )
        let saved = try job.run("save_cache", "--step", "save.yml")
        #expect(saved.output.contains("Stored Cache to deps1-main-"), "\(saved.errors)")
        try shell("rm -r venv", in: job.directory)
        let restored = try job.run("restore_cache", "--step", "restore.yml")
        #expect(restored.output.contains("Found a cache"), "\(restored.errors)")
        #expect(try shell("cat venv/file", in: job.directory) == "x")
    }

    @Test func `a miss is explained by what differs from the nearest entry`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("Django==4.2.1\nflask==2\n", to: "requirements.txt")
        try job.write("x", to: "venv/file")
        let key = #"deps1-{{ .Branch }}-{{ checksum "requirements.txt" }}"#
        _ = try job.save(key, "venv")
        try job.write("Django==4.2.2\nflask==2\n", to: "requirements.txt")
        let missed = try job.run("restore_cache", "--key", key, "--explain")
        let text = missed.output + missed.errors
        #expect(missed.status == 0)
        #expect(text.contains("No cache is found for key: deps1-main-"))
        #expect(text.contains("Django==4.2.1") && text.contains("Django==4.2.2"))
        #expect(!text.contains("flask==2"))
    }

    @Test func `the cache never breaks a job, unless it was asked to be strict`() throws {
        let job = try Job("http://127.0.0.1:1")
        try job.write("x", to: "data/file")
        #expect(try job.run("restore_cache", "--key", "k").status == 0)
        #expect(try job.run("save_cache", "--key", "k", "--path", "data").status == 0)
        let strict = try job.run("restore_cache", "--strict", "--key", "k")
        #expect(strict.status == 11)
        #expect((strict.output + strict.errors).contains("127.0.0.1:1"))
        #expect(try job.run("restore_cache", "--no-such-flag").status == 2)
    }

    @Test func `fifty clients saving one key at once leave one winner, and the others learn how they compare`()
        async throws
    {
        let server = try TarnServer()
        let jobs = try (0..<50).map { index in
            let job = try Job(server.url)
            try job.write(index % 2 == 0 ? "even" : "odd", to: "data/file")
            return job
        }
        let running = try jobs.map { try $0.start("save_cache", ["--key", "one", "--path", "data", "--json"]) }
        let outcomes = try running.map { try $0.finish().json()["outcome"] as? String ?? "" }
        let winners = outcomes.filter { $0 == "saved" || $0 == "known" }
        #expect(winners.count == 1, "\(outcomes)")
        #expect(outcomes.filter { $0 == "exists" }.count == 49)
    }

    @Test func `cachectl run restores, runs, saves, and gives the command's status`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        let script = "echo ran >> log; mkdir -p out; echo 1 > out/x"
        for _ in 0..<2 {
            #expect(try job.run("cachectl", "run", "--key", "k", "--path", "out", "--", "sh", "-c", script).status == 0)
        }
        #expect(try shell("cat log", in: job.directory) == "ran\n")
        #expect(try job.run("cachectl", "run", "--key", "k2", "--path", "out", "--", "sh", "-c", "exit 7").status == 7)
        #expect(try job.restore("k2")["outcome"] as? String == "miss")
    }

    @Test(arguments: [
        (["sh", "-c", "exit 7"], 7),
        (["bash", "-c", "kill -KILL $$"], 137),
        // The signal goes to cachectl, which passes it on.
        (["bash", "-c", "trap 'exit 42' TERM; kill -TERM $PPID; for i in $(seq 2400); do sleep 0.05; done"], 42),
        (["/nonexistent/command"], 127),
        (["/etc/passwd"], 126),
    ])
    func `cachectl run ends as its command does`(command: [String], status: Int) throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        let ended = try job.start("cachectl", ["run", "--key", "k", "--path", "out", "--"] + command).finish()
        #expect(Int(ended.status) == status)
    }

    @Test func `cachectl lists, explains, removes, brings back and pins`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("x", to: "data/file")
        for key in ["a-1", "a-2", "b-1"] { _ = try job.save(key, "data") }
        #expect(try job.run("cachectl", "ls").output.contains("b-1"))
        #expect(try job.run("cachectl", "rm", "a-*", "--dry-run").status == 0)
        #expect(try job.restore("a-")["outcome"] as? String == "hit")
        #expect(try job.run("cachectl", "rm", "a-*").status == 0)
        #expect(try job.restore("a-")["outcome"] as? String == "miss")
        #expect(try job.run("cachectl", "why", "a-1").output.contains("deleted"))
        #expect(try job.run("cachectl", "rm", "a-1", "--undo").status == 0)
        #expect(try job.restore("a-")["matchedKey"] as? String == "a-1")
        #expect(try job.run("cachectl", "pin", "b-1").status == 0)
        #expect(try job.run("cachectl", "show", "b-1").output.contains("pinned"))
        for command in [
            ["stats"], ["gc", "--dry-run"], ["fsck", "--read-data"], ["ls", "--json"], ["stats", "--json"],
        ] {
            let finished = try job.start("cachectl", command).finish()
            #expect(finished.status == 0, "\(command) \(finished.output) \(finished.errors)")
        }
    }
}

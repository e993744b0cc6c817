import Foundation
import Testing

/// It must show 10: memory does not grow with trees or clients.
@Suite(.enabled(if: Programs.runsSlowCases), .serialized)
struct MemoryTests {
    /// Runs a command and appends its peak resident set in KiB to standard error.
    static let measured = """
        import resource, subprocess, sys
        status = subprocess.call(sys.argv[1:])
        print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
        sys.exit(status)
        """

    static func start(
        _ job: Job,
        _ program: String,
        _ arguments: [String],
        in directory: String? = nil
    ) throws -> Running {
        try Running(
            "/usr/bin/env",
            ["python3", "-c", Self.measured, Programs.path(program)] + arguments,
            in: directory ?? job.directory,
            environment: job.environment
        )
    }

    static func peak(_ finished: Finished) throws -> Int {
        let line = try #require(finished.errors.split(separator: "\n").last { $0.hasPrefix("peak ") })
        return try #require(Int(line.dropFirst(5))) * 1_024
    }

    @Test func `a server of twenty clients with 500 MB each stays under 300 MB, each client under 200 MB`() throws {
        let server = try TarnServer()
        // Every client has a project of its own, so that it has to upload all of its tree; five clients share a tree on
        // this machine's disk.
        let trees = try (0..<4).map { index in
            let job = try Job(server.url)
            try shell(
                """
                mkdir tree
                for i in $(seq 10); do
                  head -c 50000000 /dev/zero | openssl enc -aes-128-ctr -pass pass:\(index)-$i -nosalt -md sha256 > tree/$i
                done 2>/dev/null
                """,
                in: job.directory
            )
            return job
        }
        let jobs = try (0..<20).map { try Job(server.url, project: "acme/client-\($0)") }
        let running = try jobs.enumerated().map { index, job in
            let directory = trees[index % 4].directory
            return try Self.start(job, "save_cache", ["--strict", "--key", "k", "--path", "tree"], in: directory)
        }
        for (index, finished) in running.map({ $0.finish() }).enumerated() {
            #expect(finished.status == 0, "\(finished.output)\(finished.errors)")
            #expect(try Self.peak(finished) < 200_000_000, "client \(index)")
        }
        #expect(try server.peakMemory() < 300_000_000)

        let restored = try Self.start(jobs[0], "restore_cache", ["--strict", "--require-hit", "--key", "k"]).finish()
        #expect(restored.status == 0, "\(restored.errors)")
        #expect(try Self.peak(restored) < 200_000_000)
    }

    @Test func `a tree of 100,000 small files needs no more than 200 MB of a client`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        let make = """
            import os
            for d in range(500):
                os.makedirs(f"tree/directory-{d}")
                for f in range(200):
                    with open(f"tree/directory-{d}/file-with-a-longer-name-{f}.txt", "w") as file: file.write(f"{d} {f}")
            """
        try job.write(make, to: "make.py")
        try shell("python3 make.py", in: job.directory)
        for (program, flags) in [("save_cache", ["--path", "tree"]), ("restore_cache", ["--to", "elsewhere"])] {
            let finished = try Self.start(job, program, ["--strict", "--key", "many"] + flags).finish()
            #expect(finished.status == 0, "\(finished.output)\(finished.errors)")
            #expect(try Self.peak(finished) < 200_000_000, "\(program)")
        }
        #expect(try shell("find elsewhere/tree -type f | wc -l", in: job.directory) == "100000\n")
    }
}

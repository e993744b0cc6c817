import Foundation
import Testing

/// A lost or damaged database is made again by `tarnd rebuild-index`, through the real programs.
struct RebuildTests {
    private static let projects = ["acme/shop", "acme/site", "other/tool"]

    /// What is done to the database between two runs of the server.
    private static let damages = [
        "rm catalog.sqlite*",
        "truncate -s 10000 catalog.sqlite",
        "head -c $(stat -c %s catalog.sqlite) /dev/urandom > garbage; mv garbage catalog.sqlite",
        "dd if=/dev/urandom of=catalog.sqlite bs=4096 seek=1 count=12 conv=notrunc status=none",
        "head -c 100000 /dev/urandom > catalog.sqlite-wal; truncate -s 0 catalog.sqlite",
    ]

    @Test func `50 entries in 3 projects survive the loss of the database`() throws {
        let server = try TarnServer()
        let jobs = try Self.projects.map { try Job(server.url, project: $0) }
        for index in 0..<50 {
            let job = jobs[index % 3]
            try shell(
                "mkdir -p t\(index)/sub; head -c $((\(index) * 3000)) /dev/urandom > t\(index)/noise; "
                    + "echo \(index) > t\(index)/sub/n; ln -s sub/n t\(index)/link; touch -d @\(1_600_000_000 + index) t\(index)/noise",
                in: job.directory
            )
            #expect(try job.save("v1-\(index)", "t\(index)")["outcome"] as? String == "saved")
        }
        let before = try (0..<50).map { try RestoredTreeTests.snapshot(jobs[$0 % 3].directory, "t\($0)") }
        let listed = try Self.entries(jobs)
        try #require(listed.count == 50)
        #expect(server.stop().status == 0)

        for damage in Self.damages {
            try shell(damage, in: server.data)
            let refused = try Running(
                Programs.path("tarnd"),
                ["--data", server.data, "--listen", "127.0.0.1:0"],
                in: server.data,
                environment: ProcessInfo.processInfo.environment
            ).finish()
            #expect(refused.status == 1 && refused.errors.contains("tarnd rebuild-index --data"), "\(refused.errors)")
            let rebuild = try Running(
                Programs.path("tarnd"),
                ["rebuild-index", "--data", server.data],
                in: server.data,
                environment: ProcessInfo.processInfo.environment
            ).finish()
            #expect(rebuild.status == 0, "\(damage): \(rebuild.output)\(rebuild.errors)")
            #expect(rebuild.output.contains("50 entries are back"), "\(damage): \(rebuild.output)")
            let again = try TarnServer(data: server.data)
            for index in jobs.indices { jobs[index].environment["TARN_URL"] = again.url }
            #expect(try Self.entries(jobs) == listed, "\(damage)")
            #expect(again.stop().status == 0)
        }

        let last = try TarnServer(data: server.data)
        for (number, job) in jobs.enumerated() {
            job.environment["TARN_URL"] = last.url
            try shell("rm -rf t*", in: job.directory)
            for index in stride(from: number, to: 50, by: 3) {
                #expect(try job.restore("v1-\(index)", flags: ["--match", "exact"])["outcome"] as? String == "hit")
                #expect(try RestoredTreeTests.snapshot(job.directory, "t\(index)") == before[index])
            }
        }
        #expect(try jobs[1].restore("v1-")["matchedKey"] as? String == "v1-49")
        let check = try jobs[0].run("cachectl", "fsck", "--read-data")
        #expect(check.status == 0, "\(check.output)\(check.errors)")
        // What was there before is kept each time, for whoever wants to look at it.
        let kept = try FileManager.default.contentsOfDirectory(atPath: server.data).filter { $0.hasSuffix(".old") }
        #expect(kept.count == Self.damages.count - 1, "\(kept)")
    }

    /// What each entry is, without what a rebuild cannot know.
    private static func entries(_ jobs: [Job]) throws -> Set<String> {
        var entries: Set<String> = []
        for job in jobs {
            let listing = try job.run("cachectl", "ls", "--json")
            #expect(listing.status == 0, "\(listing.errors)")
            for line in listing.output.split(separator: "\n") {
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
                for case var entry as [String: Any] in (object as? [String: Any])?["entries"] as? [Any] ?? [object] {
                    for key in ["id", "lastUsedAt"] { entry[key] = nil }
                    let data = try JSONSerialization.data(withJSONObject: entry, options: .sortedKeys)
                    entries.insert(String(decoding: data, as: UTF8.self))
                }
            }
        }
        return entries
    }

    @Test func `a running server's folder is not touched, and without its key nothing is believed`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("x", to: "data/file")
        _ = try job.save("k", "data")
        let rebuild = { (flags: [String]) in
            try Running(
                Programs.path("tarnd"),
                ["rebuild-index", "--data", server.data] + flags,
                in: server.data,
                environment: ProcessInfo.processInfo.environment
            ).finish()
        }
        let refused = try rebuild([])
        #expect(refused.status == 2 && refused.errors.contains("is in use by"), "\(refused.errors)")
        #expect(server.stop().status == 0)
        try shell("rm records.key", in: server.data)
        let keyless = try rebuild([])
        #expect(keyless.status == 2 && keyless.errors.contains("records.key"), "\(keyless.errors)")
        let credulous = try rebuild(["--accept-unsealed"])
        #expect(credulous.status == 0 && credulous.output.contains("1 entries are back"), "\(credulous.output)")
    }
}

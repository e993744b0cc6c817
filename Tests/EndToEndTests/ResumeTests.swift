import Foundation
import Testing

/// Transfers that break off in the middle go on where they were.
struct ResumeTests {
    private static let megabyte = 1_000_000
    /// Bytes between the moments when all connections break.
    private static let cuts = [11 * Self.megabyte, 17 * Self.megabyte]
    /// The bytes that may be sent twice.
    ///
    /// At each cut each of four transfers is inside a chunk of half a MiB on average. Who began batches of 4 MiB anew
    /// would send twice as much again, and who began everything anew 28 MB.
    private static let sentTwice = Self.cuts.count * 4 * 1_048_576

    private func makeTree(_ job: Job) throws -> Int {
        try shell("mkdir tree; for i in $(seq 48); do head -c 1000000 /dev/urandom > tree/$i; done", in: job.directory)
        return 48 * Self.megabyte
    }

    @Test func `a save whose connections break off sends only what has not arrived`() throws {
        let server = try TarnServer()
        let proxy = try CuttingProxy(
            to: server.port,
            cuts: Self.cuts,
            countsUploads: true
        )
        let job = try Job(proxy.url)
        let size = try self.makeTree(job)
        #expect(try job.save("k", "tree")["outcome"] as? String == "saved")
        #expect(proxy.cutsLeft == 0)
        #expect(proxy.bytes - size < Self.sentTwice, "\(proxy.bytes) bytes were sent for \(size)")
        #expect(try job.run("cachectl", "fsck", "--read-data").status == 0)
    }

    @Test func `a restore whose connections break off fetches only what has not arrived`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        let size = try self.makeTree(job)
        let before = try RestoredTreeTests.snapshot(job.directory, "tree")
        _ = try job.save("k", "tree")
        try shell("rm -r tree", in: job.directory)
        let proxy = try CuttingProxy(
            to: server.port,
            cuts: Self.cuts,
            countsUploads: false
        )
        job.environment["TARN_URL"] = proxy.url
        #expect(try job.restore("k")["outcome"] as? String == "hit")
        #expect(proxy.cutsLeft == 0)
        #expect(proxy.bytes - size < Self.sentTwice, "\(proxy.bytes) bytes were sent for \(size)")
        #expect(try RestoredTreeTests.snapshot(job.directory, "tree") == before)
    }

    @Test func `curl resumes a canonical download`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try shell("mkdir tree; head -c 3000000 /dev/urandom > tree/data", in: job.directory)
        _ = try job.save("k", "tree")
        let url = "\(server.project)/entries/k/layers/0.tar.zst?form=canonical"
        try shell(
            """
            curl -sf -o whole '\(url)'
            head -c 1234567 whole > part
            curl -sf -C - -o part '\(url)'
            cmp whole part
            """,
            in: job.scratch.path
        )
    }
}

import Foundation
import Testing

/// Signed entries and receipts, through the real programs.
struct SignedEntryTests {
    @Test func `a job restores what was signed, and misses what was not`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        let key = try job.run("cachectl", "sign-key", "create", "release.key")
        #expect(key.status == 0 && key.output.hasPrefix("tarn-pk1-"), "\(key.errors)")
        #expect(try job.run("cachectl", "sign-key", "create", "release.key").status == 1)
        try job.write("hello", to: "venv/file")
        _ = try job.save("signed", "venv", flags: ["--sign-key", "release.key"])
        _ = try job.save("plain", "venv")
        let trust = ["--require-signature", "any", "--trusted-key", "release:release.key.pub"]
        try shell("rm -r venv", in: job.directory)
        #expect(try job.restore("signed", flags: trust)["outcome"] as? String == "hit")
        let miss = try job.restore("plain", flags: trust)
        #expect(miss["outcome"] as? String == "miss")
        #expect((miss["error"] as? String)?.contains("not signed") == true)
        let strict = try job.start("restore_cache", ["plain", "--strict"] + trust).finish()
        #expect(strict.status == 1 && strict.errors.contains("No cache is restored"), "\(strict.errors)")
        let wrongTier = ["--require-signature", "main", "--trusted-key", "release:release.key.pub"]
        #expect(try job.restore("signed", flags: wrongTier)["outcome"] as? String == "miss")
    }

    @Test func `show tells who saved an entry, and checks the receipt with a key that was noted`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("hello", to: "venv/file")
        _ = try job.save("k", "venv")
        let shown = try job.run("cachectl", "show", "k")
        #expect(shown.status == 0 && shown.output.contains("open (receipt is right"), "\(shown.output)\(shown.errors)")
        let other = try job.run("cachectl", "sign-key", "create", "other.key").output.dropLast()
        let wrong = try job.run("cachectl", "show", "--server-key", String(other), "k")
        #expect(wrong.status == 1 && wrong.output.contains("THE RECEIPT IS WRONG"), "\(wrong.output)\(wrong.errors)")
        #expect(server.stop().status == 0)
        let mode = try shell("stat -c %a server.key", in: server.data)
        #expect(mode == "600\n")
    }
}

import Foundation
import Testing

/// What seems to be a secret does not leave the machine unless somebody says so.
struct SecretsTests {
    /// Made of pieces, so that no scanner takes it for real.
    private static let secret = "Zk3" + String("9vQx7Lm2Tr8Wp4Ns6Yb1".reversed()) + "Hd5"

    private func job(_ server: TarnServer) throws -> Job {
        let job = try Job(server.url)
        try job.write("x", to: "data/file")
        try job.write("//npm.acme.test/:_authToken=\(Self.secret)\n", to: "data/.npmrc")
        return job
    }

    @Test func `a save with a secret is refused, the job goes on, and nothing reached the server`() throws {
        let server = try TarnServer()
        let job = try self.job(server)
        let refused = try job.run("save_cache", "--key", "k", "--path", "data")
        #expect(refused.status == 0)
        #expect(refused.errors.contains("\(job.directory)/data/.npmrc: the login of an npm registry in line 1"))
        #expect(refused.errors.contains("--allow-secrets"))
        #expect(refused.errors.contains("The job goes on without the cache."))
        #expect(!(refused.output + refused.errors).contains(Self.secret))
        #expect(try job.restore("k")["outcome"] as? String == "miss")
        #expect(try shell("find '\(server.data)/blobs' -type f | wc -l", in: "/") == "0\n")

        let strict = try job.run("save_cache", "--strict", "--key", "k", "--path", "data")
        #expect(strict.status == 1)

        let allowed = try job.save("k", "data", flags: ["--allow-secrets"])
        #expect(allowed["outcome"] as? String == "saved")
        #expect(try job.restore("k")["outcome"] as? String == "hit")
    }

    @Test func `the JSON names the files, and a tree that was known is looked at, too`() throws {
        let server = try TarnServer()
        let job = try self.job(server)
        #expect(try job.save("a", "data", flags: ["--allow-secrets"])["outcome"] as? String == "saved")
        let refused = try job.save("b", "data")
        #expect(refused["outcome"] as? String == "refused")
        let secrets = try #require(refused["secrets"] as? [[String: Any]])
        #expect(secrets.count == 1)
        #expect(secrets[0]["path"] as? String == "\(job.directory)/data/.npmrc")
        #expect(secrets[0]["kind"] as? String == "registry-login" && secrets[0]["line"] as? Int == 1)
        #expect(!"\(refused)".contains(Self.secret))
    }

    @Test func `cachectl run refuses and allows as save_cache does`() throws {
        let server = try TarnServer()
        let job = try self.job(server)
        let refused = try job.run("cachectl", "run", "--json", "--key", "k", "--path", "data", "--", "true")
        #expect(refused.status == 0)
        #expect(refused.errors.contains("data/.npmrc") && !refused.errors.contains(Self.secret))
        let document = try refused.json()
        #expect(document["saved"] as? Bool == false && (document["secrets"] as? [Any])?.count == 1)
        #expect(try job.run("cachectl", "run", "--strict", "--key", "k", "--path", "data", "--", "true").status == 1)
        let flags = ["run", "--allow-secrets", "--key", "k", "--path", "data", "--", "true"]
        #expect(try job.start("cachectl", flags).finish().status == 0)
        #expect(try job.restore("k")["outcome"] as? String == "hit")
    }
}

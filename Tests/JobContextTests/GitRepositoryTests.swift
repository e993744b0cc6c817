import CacheModel
import Glibc
import JobContext
import Testing

struct GitRepositoryTests {
    private let folder = TemporaryFolder()

    /// Runs git with a configuration of its own; returns what it prints.
    @discardableResult
    private func git(_ arguments: String, in directory: String? = nil) throws -> String {
        let identity = "-c user.name=t -c user.email=t@t -c init.defaultBranch=main -c protocol.file.allow=always"
        let command =
            "cd '\(directory ?? self.folder.path)' && GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null "
            + "git \(identity) \(arguments) 2>/dev/null"
        let pipe = try #require(popen(command, "r"))
        defer { pclose(pipe) }
        var output = ""
        var buffer = [CChar](repeating: 0, count: 4_096)
        while fgets(&buffer, 4_096, pipe) != nil {
            output += String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        while output.last == "\n" { output.removeLast() }
        return output
    }

    private func commit() throws -> String {
        try self.git("init -q .")
        try self.git("commit -q --allow-empty -m one")
        return try self.git("rev-parse HEAD")
    }

    @Test func `a repository without commits has a branch and no revision`() throws {
        try self.git("init -q .")
        let repository = try #require(GitRepository.find(from: self.folder.path))
        #expect(repository.branch == "main")
        #expect(repository.revision == nil)
        #expect(repository.remote == nil)
    }

    @Test func `branch, commit and origin are found from a folder below`() throws {
        let revision = try self.commit()
        try self.git("checkout -q -b feature/x")
        try self.git("remote add upstream https://host/other/repo.git")
        try self.git("remote add origin https://me:secret@host/acme/shop.git")
        self.folder.write("a/b/file", "")
        let repository = try #require(GitRepository.find(from: "\(self.folder.path)/a/b"))
        #expect(repository.root == self.folder.path)
        #expect(repository.branch == "feature/x")
        #expect(repository.revision == revision)
        #expect(repository.remote == "https://host/acme/shop.git")
        let job = try JobEnvironment.detect(environment: [:], directory: "\(self.folder.path)/a/b")
        #expect(job.system == .git)
        #expect(job.project.description == "acme/shop")
        #expect(job.revision == revision)
    }

    @Test func `packed references are read`() throws {
        let revision = try self.commit()
        try self.git("pack-refs --all")
        #expect(GitRepository.find(from: self.folder.path)?.revision == revision)
        #expect(GitRepository.find(from: self.folder.path)?.branch == "main")
    }

    @Test func `a detached head has a commit and no branch`() throws {
        let revision = try self.commit()
        try self.git("checkout -q --detach")
        let repository = try #require(GitRepository.find(from: self.folder.path))
        #expect(repository.branch == nil)
        #expect(repository.revision == revision)
    }

    @Test func `a worktree has its own branch and the repository's remote`() throws {
        let revision = try self.commit()
        try self.git("remote add origin git@host:acme/shop.git")
        try self.git("worktree add -q -b side tree")
        let repository = try #require(GitRepository.find(from: "\(self.folder.path)/tree"))
        #expect(repository.root == "\(self.folder.path)/tree")
        #expect(repository.branch == "side")
        #expect(repository.revision == revision)
        #expect(repository.remote == "host:acme/shop.git")
    }

    @Test func `a submodule is a repository of its own`() throws {
        _ = try self.commit()
        try self.git("init -q inner && git -C inner -c user.name=t -c user.email=t@t commit -q --allow-empty -m two")
        try self.git("submodule -q add ./inner sub")
        let repository = try #require(GitRepository.find(from: "\(self.folder.path)/sub"))
        #expect(repository.root == "\(self.folder.path)/sub")
        #expect(repository.revision == (try self.git("rev-parse HEAD", in: "\(self.folder.path)/sub")))
    }

    @Test(arguments: [
        "ref: ../../etc/passwd", "ref: refs/heads/../../../x", "ref: refs/heads/.invalid", "nonsense", "",
        "ref: refs/heads/loop",
    ])
    func `a strange HEAD gives no revision`(head: String) throws {
        self.folder.write(".git/HEAD", head + "\n")
        self.folder.write(".git/refs/heads/loop", "ref: refs/heads/loop\n")
        let repository = try #require(GitRepository.find(from: self.folder.path))
        #expect(repository.revision == nil)
    }

    @Test func `remotes with quotes, comments and other sections are read`() throws {
        self.folder.write(".git/HEAD", "ref: refs/heads/main\n")
        let configuration = """
            [core]
            \turl = no
            [remote "fork"] ; comment
            \tURL = "https://host/fork/x.git" # comment
            [Remote "origin"]
            \tfetch = +refs/*
            \turl=https://host/acme/shop
            [branch "main"]
            \turl = no
            """
        self.folder.write(".git/config", configuration)
        #expect(GitRepository.find(from: self.folder.path)?.remote == "https://host/acme/shop")
    }
}

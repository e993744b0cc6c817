import ArgumentParser
import CacheClient
import CacheModel
import CommandLineKit
import Foundation
import JobContext
import Testing

/// Flags first, the environment second, `.tarn.yml` third, the user's own file fourth, the CI system last.
struct SettingsTests {
    private let folder: TemporaryFolder

    init() throws {
        self.folder = try TemporaryFolder()
        try self.folder.write("", to: "home/empty")
        try self.folder.write("", to: "work/empty")
    }

    private func read(_ environment: [String: String] = [:], _ flags: String...) throws -> Settings {
        let basics = ["HOME": "\(self.folder.path)/home"]
        return try Settings.read(
            try ConnectionOptions.parse(flags),
            environment: basics.merging(environment) { $1 },
            directory: "\(self.folder.path)/work"
        )
    }

    private func write(project: String? = nil, personal: String? = nil) throws {
        if let project { try self.folder.write(project, to: "work/.tarn.yml") }
        if let personal { try self.folder.write(personal, to: "home/.config/tarn/config.yml") }
    }

    @Test func `nothing said is this machine, and a project named after the folder`() throws {
        let settings = try self.read()
        #expect(settings.server.description == "http://127.0.0.1:7878")
        #expect(settings.project.description == "local/work")
        #expect(settings.scope == .shared)
        #expect(settings.token == nil && settings.proxy == nil)
        #expect(settings.cacheDirectory == "\(self.folder.path)/home/.cache/tarn")
    }

    @Test func `the CI system is asked last and the flag first`() throws {
        let system = [
            "CIRCLECI": "true", "CIRCLE_PROJECT_USERNAME": "acme", "CIRCLE_PROJECT_REPONAME": "shop",
        ]
        #expect(try self.read(system).project.description == "acme/shop")
        try self.write(personal: "project: from/user\nurl: http://user:1")
        #expect(try self.read(system).project.description == "from/user")
        try self.write(project: "project: from/repository\n")
        #expect(try self.read(system).project.description == "from/repository")
        #expect(try self.read(system).server.description == "http://user:1")
        let environment = system.merging(["TARN_PROJECT": "from/environment", "TARN_URL": "http://env:1"]) { $1 }
        #expect(try self.read(environment).project.description == "from/environment")
        #expect(try self.read(environment).server.description == "http://env:1")
        let flagged = try self.read(environment, "--project", "from/flag", "--url", "http://flag:1", "--scope", "pr/7")
        #expect(flagged.project.description == "from/flag")
        #expect(flagged.server.description == "http://flag:1")
        #expect(flagged.scope.text == "pr/7")
    }

    @Test func `with a token only a scope that somebody named is sent`() throws {
        let fork = [
            "CIRCLECI": "true", "CIRCLE_PROJECT_USERNAME": "acme", "CIRCLE_PROJECT_REPONAME": "shop",
            "CIRCLE_PR_USERNAME": "eve", "CIRCLE_PR_REPONAME": "shop", "CIRCLE_PR_NUMBER": "7",
        ]
        let open = try self.read(fork)
        #expect(open.requestedScope(hasCredential: false) == open.scope && open.scope != .shared)
        let token = ["TARN_TOKEN": "tarn_x"]
        #expect(try self.read(fork.merging(token) { $1 }).requestedScope(hasCredential: true) == nil)
        #expect(try self.read(token, "--scope", "pr/7").requestedScope(hasCredential: true)?.text == "pr/7")
        let named = try self.read(["TARN_SCOPE": "pr/8"].merging(token) { $1 })
        #expect(named.requestedScope(hasCredential: true)?.text == "pr/8")
        try self.write(project: "scope: branch/main\n")
        #expect(try self.read(token).requestedScope(hasCredential: true)?.text == "branch/main")
    }

    @Test func `an empty variable counts as not set`() throws {
        try self.write(project: "url: http://file:1\nscope: branch/main")
        let settings = try self.read(["TARN_URL": "", "TARN_PROJECT": "", "TARN_SCOPE": "", "TARN_TOKEN": ""])
        #expect(settings.server.description == "http://file:1")
        #expect(settings.scope.text == "branch/main")
        #expect(settings.token == nil)
    }

    @Test func `a token comes from the environment, or from the file that a settings file names`() throws {
        try self.write(personal: "url: http://user:1\ntoken-file: ~/secret/token")
        #expect(try self.read().token == nil, "there is no such file yet")
        try self.folder.write("  abc-123\n", to: "home/secret/token")
        #expect(try self.read().token == "abc-123")
        #expect(try self.read(["TARN_TOKEN": "other"]).token == "other")
        try self.write(project: "token-file: local-token")
        try self.folder.write("local", to: "work/local-token")
        #expect(try self.read().token == "local", "a name stands for a file beside the settings file")
    }

    @Test func `the user's token stays away from a server that only the repository names`() throws {
        try self.write(project: "url: http://repository:1", personal: "url: http://user:1\ntoken-file: token")
        try self.folder.write("abc", to: "home/.config/tarn/token")
        #expect(try self.read().server.description == "http://repository:1")
        #expect(try self.read().token == nil)
        #expect(try self.read(["TARN_URL": "http://user:1"]).token == "abc")
        #expect(try self.read([:], "--url", "http://user:1").token == "abc")
        try self.write(project: "url: http://user:1")
        #expect(try self.read().token == "abc", "the user names the same server")
    }

    @Test func `a file that holds more than a token is not sent anywhere`() throws {
        try self.write(project: "token-file: key")
        try self.folder.write("-----BEGIN PRIVATE KEY-----\nsecret", to: "work/key")
        let error = #expect(throws: CacheError.self) { try self.read() }
        let message = try #require(error).message
        #expect(message.contains("/work/key") && !message.contains("secret") && !message.contains("BEGIN"))
    }

    @Test(arguments: [
        ("speed: 9", "there is no setting 'speed'"), ("url: [a]", "'url' is a text"), ("- url", "expected settings"),
        ("url: ftp://x", "http://127.0.0.1:7878"), ("project: nothing", "project"), ("a: b: c", "line 1"),
    ])
    func `a wrong settings file is named with what is wrong`(text: String, expected: String) throws {
        try self.write(project: text)
        let error = try #require(#expect(throws: (any Error).self) { try self.read() })
        #expect("\(error)".contains(expected), "\(error)")
    }

    @Test func `an empty settings file says nothing`() throws {
        try self.write(project: "# nothing yet\n")
        #expect(try self.read().server.description == Settings.defaultURL)
    }

    @Test func `stat caches go where they are told`() throws {
        let own = "\(self.folder.path)/own"
        let shared = "\(self.folder.path)/shared"
        #expect(try self.read(["TARN_CACHE_DIR": own, "XDG_CACHE_HOME": shared]).cacheDirectory == own)
        #expect(try self.read(["XDG_CACHE_HOME": shared]).cacheDirectory == "\(shared)/tarn")
        #expect(try self.read(["TARN_CACHE_DIR": "/proc/nowhere"]).cacheDirectory == nil, "only time is lost")
    }

    @Test func `a proxy of the environment is used`() throws {
        let environment = ["TARN_URL": "http://cache:7878", "HTTP_PROXY": "http://proxy:3128"]
        #expect(try self.read(environment).proxy != nil)
        #expect(try self.read(environment.merging(["NO_PROXY": "cache"]) { $1 }).proxy == nil)
    }
}

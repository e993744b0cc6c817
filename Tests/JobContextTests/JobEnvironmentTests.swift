import CacheModel
import JobContext
import KeyTemplates
import Testing

struct JobEnvironmentTests {
    private let folder = TemporaryFolder()

    private func detect(_ environment: [String: String]) throws -> JobEnvironment {
        try JobEnvironment.detect(environment: environment, directory: self.folder.path)
    }

    private static let circleCI = [
        "CI": "true", "CIRCLECI": "true", "HOME": "/home/circleci", "CIRCLE_BRANCH": "feature/login",
        "CIRCLE_BUILD_NUM": "425006", "CIRCLE_SHA1": "0123456789012345678901234567890123456789",
        "CIRCLE_PROJECT_USERNAME": "acme", "CIRCLE_PROJECT_REPONAME": "shop", "CIRCLE_WORKING_DIRECTORY": "~/project",
        "CIRCLE_REPOSITORY_URL": "git@github.com:acme/shop.git",
    ]

    @Test func `CircleCI`() throws {
        let job = try self.detect(Self.circleCI)
        #expect(job.system == .circleCI)
        #expect(job.project.description == "acme/shop")
        #expect(job.branch == "feature/login")
        #expect(job.revision == "0123456789012345678901234567890123456789")
        #expect(job.buildNumber == "425006")
        #expect(job.home == "/home/circleci")
        #expect(job.workingDirectory == self.folder.path)
        #expect(job.fork == nil)
        #expect(job.scope == .shared)
    }

    @Test func `a pull request of a fork has its number as branch and a scope of its own`() throws {
        var environment = Self.circleCI
        environment["CIRCLE_BRANCH"] = "main"
        environment["CIRCLE_PR_NUMBER"] = "242"
        environment["CIRCLE_PR_USERNAME"] = "mallory"
        environment["CIRCLE_PR_REPONAME"] = "shop"
        let job = try self.detect(environment)
        #expect(job.branch == "pull/242")
        #expect(job.pullRequest == "242")
        #expect(job.fork == "mallory/shop")
        #expect(job.scope.text == "fork/mallory/shop")
        #expect(job.project.description == "acme/shop")
    }

    @Test func `a tag's build on CircleCI has no branch`() throws {
        var environment = Self.circleCI
        environment["CIRCLE_BRANCH"] = nil
        environment["CIRCLE_TAG"] = "v1"
        #expect(try self.detect(environment).branch == nil)
    }

    private static let gitHub = [
        "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_REF": "refs/pull/7/merge",
        "GITHUB_REF_NAME": "7/merge", "GITHUB_REF_TYPE": "branch", "GITHUB_HEAD_REF": "fix", "GITHUB_SHA": "abc",
        "GITHUB_RUN_NUMBER": "12", "GITHUB_RUN_ID": "99999",
    ]

    @Test func `GitHub Actions`() throws {
        let job = try self.detect(Self.gitHub)
        #expect(job.system == .gitHubActions)
        #expect(job.project.description == "acme/shop")
        #expect((job.branch, job.revision, job.buildNumber, job.pullRequest) == ("fix", "abc", "12", "7"))
        var push = Self.gitHub
        push["GITHUB_HEAD_REF"] = ""
        push["GITHUB_REF"] = "refs/heads/main"
        push["GITHUB_REF_NAME"] = "main"
        #expect(try self.detect(push).branch == "main")
        #expect(try self.detect(push).pullRequest == nil)
    }

    @Test func `GitHub's event file tells a fork`() throws {
        let event =
            #"{"action": "opened", "pull_request": {"number": 7, "head": {"repo": {"full_name": "mallory/shop"}}}}"#
        self.folder.write("event.json", event)
        var environment = Self.gitHub
        environment["GITHUB_EVENT_PATH"] = "\(self.folder.path)/event.json"
        let job = try self.detect(environment)
        #expect(job.branch == "pull/7")
        #expect(job.scope.text == "fork/mallory/shop")
        environment["GITHUB_REPOSITORY"] = "mallory/shop"
        #expect(try self.detect(environment).fork == nil)
    }

    @Test func `GitLab, with groups in groups`() throws {
        var environment = [
            "GITLAB_CI": "true", "CI_PROJECT_PATH": "acme/platform/backend/shop", "CI_COMMIT_REF_NAME": "main",
            "CI_COMMIT_SHA": "abc", "CI_PIPELINE_IID": "31", "CI_JOB_ID": "100200",
        ]
        let job = try self.detect(environment)
        #expect(job.system == .gitLab)
        #expect(job.project.description == "acme/platform--backend--shop")
        #expect((job.branch, job.revision, job.buildNumber) == ("main", "abc", "31"))
        environment["CI_PIPELINE_IID"] = nil
        environment["CI_MERGE_REQUEST_IID"] = "5"
        environment["CI_MERGE_REQUEST_PROJECT_PATH"] = "acme/platform/backend/shop"
        environment["CI_MERGE_REQUEST_SOURCE_PROJECT_PATH"] = "mallory/shop"
        let request = try self.detect(environment)
        #expect((request.buildNumber, request.branch, request.fork) == ("100200", "pull/5", "mallory/shop"))
    }

    @Test func `Buildkite`() throws {
        var environment = [
            "BUILDKITE": "true", "BUILDKITE_REPO": "git@github.com:acme/shop.git", "BUILDKITE_BRANCH": "main",
            "BUILDKITE_COMMIT": "abc", "BUILDKITE_BUILD_NUMBER": "9", "BUILDKITE_PULL_REQUEST": "false",
            "BUILDKITE_ORGANIZATION_SLUG": "acme-inc", "BUILDKITE_PIPELINE_SLUG": "shop-tests",
        ]
        let job = try self.detect(environment)
        #expect(job.system == .buildkite)
        #expect(job.project.description == "acme/shop")
        #expect((job.branch, job.revision, job.buildNumber, job.pullRequest) == ("main", "abc", "9", nil))
        environment["BUILDKITE_PULL_REQUEST"] = "3"
        environment["BUILDKITE_PULL_REQUEST_REPO"] = "https://github.com/mallory/shop.git"
        #expect(try self.detect(environment).branch == "pull/3")
        environment["BUILDKITE_REPO"] = nil
        #expect(try self.detect(environment).project.description == "acme-inc/shop-tests")
    }

    @Test func `Jenkins`() throws {
        var environment = [
            "JENKINS_URL": "https://ci.acme.test/", "BUILD_NUMBER": "77", "GIT_BRANCH": "origin/feature/x",
            "GIT_COMMIT": "abc", "GIT_URL": "https://ci:s3cret@git.acme.test/acme/shop.git", "JOB_NAME": "shop",
        ]
        let job = try self.detect(environment)
        #expect(job.system == .jenkins)
        #expect(job.project.description == "acme/shop")
        #expect((job.branch, job.revision, job.buildNumber) == ("feature/x", "abc", "77"))
        environment["GIT_URL"] = nil
        #expect(try self.detect(environment).project.description == "jenkins/shop")
        environment["BRANCH_NAME"] = "feature/x"
        environment["JOB_NAME"] = "team/shop/feature%2Fx"
        #expect(try self.detect(environment).project.description == "team/shop")
    }

    @Test func `TARN variables win`() throws {
        var environment = Self.circleCI
        let own = [
            "PROJECT": "a/b", "SCOPE": "branch/x", "BRANCH": "x", "REVISION": "r", "BUILD_NUM": "1",
            "CHECKOUT_KEY": "k",
        ]
        for (name, value) in own { environment["TARN_\(name)"] = value }
        let job = try self.detect(environment)
        #expect(job.project.description == "a/b")
        #expect(job.scope.text == "branch/x")
        #expect((job.branch, job.revision, job.buildNumber, job.checkoutKey) == ("x", "r", "1", "k"))
        let context = job.expansionContext(environment: environment)
        #expect(context.environment("CIRCLECI") == "true")
        #expect(context.buildNum == "1")
    }

    @Test(arguments: ["TARN_PROJECT", "TARN_SCOPE"])
    func `a TARN variable that cannot be used is an error that names it`(name: String) {
        #expect {
            try self.detect([name: "a/b/\n"])
        } throws: { error in
            "\(error)".contains(name)
        }
    }

    @Test func `without CI and git the project is the folder`() throws {
        let job = try self.detect([:])
        #expect(job.system == .none)
        #expect(job.project.owner == "local")
        #expect(self.folder.path.hasSuffix(job.project.name))
        #expect((job.branch, job.revision, job.home) == (nil, nil, "/"))
    }

    @Test(arguments: [
        ("https://github.com/acme/shop.git", "acme/shop"),
        ("https://user:token@github.com:8443/acme/shop/", "acme/shop"),
        ("ssh://git@git.acme.test:2222/acme/group/shop.git", "acme/group--shop"),
        ("git@github.com:acme/shop.git", "acme/shop"),
        ("github.com:acme/shop", "acme/shop"),
        ("git@host:/srv/shop.git", "srv/shop"),
        ("/srv/git/shop.git", "local/shop"),
        ("file:///srv/git/my shop.git", "local/my-shop"),
        ("https://host/.hidden/é", "_.hidden/-"),
    ])
    func `a repository's address gives a project`(url: String, project: String) {
        #expect(RemoteURL.project(url)?.description == project)
    }

    @Test(arguments: [
        ("https://user:p@ss@host/a/b.git?token=x", "https://host/a/b.git"),
        ("https://token@host/a/b", "https://host/a/b"),
        ("ssh://git@host:22/a/b", "ssh://host:22/a/b"),
        ("git@host:a/b", "host:a/b"),
        ("https://host/a@b/c", "https://host/a@b/c"),
    ])
    func `credentials are never kept`(url: String, bare: String) {
        #expect(RemoteURL.withoutCredentials(url) == bare)
    }

    @Test func `long project paths are cut and stay different`() {
        let long = String(repeating: "x", count: 200)
        let first = ProjectNames.project(path: "a/\(long)1")
        let second = ProjectNames.project(path: "a/\(long)2")
        #expect(first?.name.utf8.count == 100)
        #expect(first != second)
    }
}

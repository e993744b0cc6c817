internal import CacheModel

/// What one CI system's variables say.
struct JobFacts {
    var system: JobEnvironment.System
    var project: ProjectName?
    var branch: String?
    var revision: String?
    var buildNumber: String?
    var pullRequest: String?
    /// The fork's `owner/name`, or `fork` where it is not named.
    var fork: String?

    /// The branch, or on a pull request of a fork its number, which nobody but the system can choose.
    var effectiveBranch: String? {
        guard self.fork != nil, let number = self.pullRequest else { return self.branch }
        return "pull/\(number)"
    }

    /// The facts of the system that runs the job; `nil` if there is none.
    static func detect(_ variables: Variables) -> Self? {
        if variables["CIRCLECI"] == "true" { return Self.circleCI(variables) }
        if variables["GITHUB_ACTIONS"] == "true" { return Self.gitHub(variables) }
        if variables["GITLAB_CI"] == "true" { return Self.gitLab(variables) }
        if variables["BUILDKITE"] == "true" { return Self.buildkite(variables) }
        if variables.first("JENKINS_URL", "JENKINS_HOME") != nil, variables["BUILD_NUMBER"] != nil {
            return Self.jenkins(variables)
        }
        return nil
    }

    private static func circleCI(_ variables: Variables) -> Self {
        var facts = Self(system: .circleCI)
        if let owner = variables["CIRCLE_PROJECT_USERNAME"], let name = variables["CIRCLE_PROJECT_REPONAME"] {
            facts.project = ProjectNames.project(path: "\(owner)/\(name)")
        } else if let url = variables["CIRCLE_REPOSITORY_URL"] {
            facts.project = RemoteURL.project(url)
        } else if let identifier = variables["CIRCLE_PROJECT_ID"] {
            facts.project = ProjectNames.project(path: "circleci/\(identifier)")
        }
        facts.branch = variables["CIRCLE_BRANCH"]
        facts.revision = variables["CIRCLE_SHA1"]
        facts.buildNumber = variables["CIRCLE_BUILD_NUM"]
        // CIRCLE_PULL_REQUEST is an address that ends in the number; the others are set for forks only.
        facts.pullRequest =
            variables["CIRCLE_PR_NUMBER"]
            ?? variables["CIRCLE_PULL_REQUEST"]?.split(separator: "/").last.map(String.init)
        if variables.first("CIRCLE_PR_NUMBER", "CIRCLE_PR_USERNAME", "CIRCLE_PR_REPONAME") != nil {
            let parts = [variables["CIRCLE_PR_USERNAME"], variables["CIRCLE_PR_REPONAME"]].compactMap(\.self)
            facts.fork = parts.count == 2 ? parts.joined(separator: "/") : "fork"
        }
        return facts
    }

    private static func gitHub(_ variables: Variables) -> Self {
        var facts = Self(system: .gitHubActions)
        facts.project = variables["GITHUB_REPOSITORY"].flatMap(ProjectNames.project)
        let isTag = variables["GITHUB_REF_TYPE"] == "tag"
        facts.branch = variables["GITHUB_HEAD_REF"] ?? (isTag ? nil : variables["GITHUB_REF_NAME"])
        facts.revision = variables["GITHUB_SHA"]
        facts.buildNumber = variables["GITHUB_RUN_NUMBER"]
        if let parts = variables["GITHUB_REF"]?.split(separator: "/"), parts.count >= 3, parts[1] == "pull" {
            facts.pullRequest = String(parts[2])
        }
        facts.readEvent(variables)
        return facts
    }

    /// Only the event's file tells whether a pull request comes from a fork; JSON is YAML.
    private mutating func readEvent(_ variables: Variables) {
        guard let path = variables["GITHUB_EVENT_PATH"], let text = SmallFile.read(path, limit: 4 * 1_048_576),
            let request = try? YAMLParser.parse(text)["pull_request"]
        else { return }
        if self.pullRequest == nil { self.pullRequest = request["number"]?.text }
        let head = request["head"]?["repo"]?["full_name"]?.text
        if let head, head != variables["GITHUB_REPOSITORY"] { self.fork = head }
        // The repository of a deleted fork is null.
        if request["head"]?["repo"]?.isNull ?? false { self.fork = "fork" }
    }

    private static func gitLab(_ variables: Variables) -> Self {
        var facts = Self(system: .gitLab)
        facts.project = variables["CI_PROJECT_PATH"].flatMap(ProjectNames.project)
        facts.branch = variables["CI_COMMIT_TAG"] == nil ? variables["CI_COMMIT_REF_NAME"] : nil
        facts.revision = variables["CI_COMMIT_SHA"]
        facts.buildNumber = variables.first("CI_PIPELINE_IID", "CI_JOB_ID")
        facts.pullRequest = variables["CI_MERGE_REQUEST_IID"]
        let source = variables["CI_MERGE_REQUEST_SOURCE_PROJECT_PATH"]
        let target = variables.first("CI_MERGE_REQUEST_PROJECT_PATH", "CI_PROJECT_PATH")
        if let source, source != target { facts.fork = source }
        return facts
    }

    private static func buildkite(_ variables: Variables) -> Self {
        var facts = Self(system: .buildkite)
        facts.project = variables["BUILDKITE_REPO"].flatMap(RemoteURL.project)
        if facts.project == nil, let pipeline = variables["BUILDKITE_PIPELINE_SLUG"] {
            let organization = variables["BUILDKITE_ORGANIZATION_SLUG"] ?? "buildkite"
            facts.project = ProjectNames.project(path: "\(organization)/\(pipeline)")
        }
        facts.branch = variables["BUILDKITE_TAG"] == nil ? variables["BUILDKITE_BRANCH"] : nil
        facts.revision = variables["BUILDKITE_COMMIT"] == "HEAD" ? nil : variables["BUILDKITE_COMMIT"]
        facts.buildNumber = variables["BUILDKITE_BUILD_NUMBER"]
        if let number = variables["BUILDKITE_PULL_REQUEST"], number != "false" {
            facts.pullRequest = number
            let fork = variables["BUILDKITE_PULL_REQUEST_REPO"].flatMap(RemoteURL.project)
            if let fork, fork != facts.project { facts.fork = fork.description }
        }
        return facts
    }

    private static func jenkins(_ variables: Variables) -> Self {
        var facts = Self(system: .jenkins)
        let gitBranch = variables["GIT_BRANCH"].map { name in
            name.hasPrefix("origin/") ? String(name.dropFirst("origin/".count)) : name
        }
        let isTag = variables["TAG_NAME"] != nil
        facts.branch = isTag ? nil : variables["BRANCH_NAME"] ?? (gitBranch == "detached" ? nil : gitBranch)
        facts.revision = variables["GIT_COMMIT"]
        facts.buildNumber = variables["BUILD_NUMBER"]
        facts.pullRequest = variables["CHANGE_ID"]
        facts.project = variables.first("GIT_URL", "GIT_URL_1").flatMap(RemoteURL.project)
        if facts.project == nil, let job = variables["JOB_NAME"] {
            // A multibranch job's last part is its branch.
            let parts = job.split(separator: "/")
            let path = variables["BRANCH_NAME"] != nil && parts.count > 1 ? parts.dropLast() : parts[...]
            facts.project = ProjectNames.project(
                path: path.count == 1 ? "jenkins/\(path[0])" : path.joined(separator: "/")
            )
        }
        if let fork = variables["CHANGE_FORK"] {
            // The plugin gives the owner alone where the fork has the repository's name.
            let isComplete = fork.contains("/")
            facts.fork = isComplete ? fork : facts.project.map { "\(fork)/\($0.name)" } ?? "fork"
        }
        return facts
    }
}

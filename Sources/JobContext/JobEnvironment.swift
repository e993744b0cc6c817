package import CacheModel
package import KeyTemplates

/// What a job knows about itself: which project, branch and commit it builds, and where.
package struct JobEnvironment: Hashable, Sendable {
    /// The system that runs the job.
    package enum System: String, Hashable, Sendable, CaseIterable {
        case circleCI = "circleci"
        case gitHubActions = "github-actions"
        case gitLab = "gitlab"
        case buildkite
        case jenkins
        /// No CI system, but a git repository.
        case git
        /// Neither a CI system nor a git repository.
        case none
    }

    /// The system that runs the job.
    package var system: System
    /// The project whose cache the job uses.
    package var project: ProjectName
    /// The scope that the job writes: `shared`, and one of its own for each fork.
    package var scope: Scope
    /// The branch; on a pull request of a fork `pull/<number>`, so that a fork's `main` is not the project's.
    package var branch: String?
    /// The commit.
    package var revision: String?
    /// The number of the job or build.
    package var buildNumber: String?
    /// The value of `.CheckoutKey`; no system tells it, so it comes from `TARN_CHECKOUT_KEY`.
    package var checkoutKey: String?
    /// The number of the pull or merge request.
    package var pullRequest: String?
    /// `owner/name` of the fork that a pull request comes from, or just `fork` where the system does not name it.
    package var fork: String?
    /// The absolute folder that the job runs in.
    package var workingDirectory: String
    /// The user's home folder; `/` where `HOME` is not set.
    package var home: String

    /// Reads the environment of a job that runs in `directory`, an absolute path.
    ///
    /// What the CI system does not tell is taken from the git repository around `directory`, whose files are read without running git;
    /// the branch only where no CI system is found, because CI systems check out commits. `TARN_PROJECT`, `TARN_SCOPE`, `TARN_BRANCH`,
    /// `TARN_REVISION`, `TARN_BUILD_NUM` and `TARN_CHECKOUT_KEY` win over everything else.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` if `TARN_PROJECT` or `TARN_SCOPE` is not usable.
    package static func detect(
        environment: [String: String],
        directory: String
    ) throws(CacheError) -> Self {
        let variables = Variables(environment)
        let git = GitRepository.find(from: directory)
        let facts = JobFacts.detect(variables) ?? JobFacts(system: git == nil ? .none : .git, branch: git?.branch)
        return Self(
            system: facts.system,
            project: try Self.project(variables, facts, git, directory),
            scope: try Self.scope(variables, facts),
            branch: variables["TARN_BRANCH"] ?? facts.effectiveBranch,
            revision: variables["TARN_REVISION"] ?? facts.revision ?? git?.revision,
            buildNumber: variables["TARN_BUILD_NUM"] ?? facts.buildNumber,
            checkoutKey: variables["TARN_CHECKOUT_KEY"],
            pullRequest: facts.pullRequest,
            fork: facts.fork,
            workingDirectory: directory,
            home: variables["HOME"] ?? "/"
        )
    }

    private static func project(
        _ variables: Variables,
        _ facts: JobFacts,
        _ git: GitRepository?,
        _ directory: String
    ) throws(CacheError) -> ProjectName {
        if let text = variables["TARN_PROJECT"] {
            do {
                return try ProjectName(text)
            } catch {
                throw CacheError(.invalidRequest, "TARN_PROJECT is not usable", cause: error)
            }
        }
        if let project = facts.project ?? git?.remote.flatMap(RemoteURL.project) { return project }
        let folder = (git?.root ?? directory).split(separator: "/").last
        return ProjectNames.local(folder.map(String.init) ?? "root")
    }

    private static func scope(_ variables: Variables, _ facts: JobFacts) throws(CacheError) -> Scope {
        if let text = variables["TARN_SCOPE"] {
            do {
                return try Scope(text)
            } catch {
                throw CacheError(.invalidRequest, "TARN_SCOPE is not usable", cause: error)
            }
        }
        guard let fork = facts.fork else { return .shared }
        // CircleCI: pull requests of one fork share a cache, which is neither the project's nor another fork's.
        let text = fork.contains("/") ? "fork/\(fork)" : "pr/\(facts.pullRequest ?? "unknown")"
        return try Scope(text)
    }

    /// The context in which the job's key templates are expanded.
    package func expansionContext(
        environment: [String: String],
        now: Timestamp = .current,
        files: any TemplateFiles = LocalFiles()
    ) -> ExpansionContext {
        ExpansionContext(
            branch: self.branch,
            revision: self.revision,
            buildNum: self.buildNumber,
            checkoutKey: self.checkoutKey,
            environment: { environment[$0] },
            workingDirectory: self.workingDirectory,
            home: self.home,
            now: now,
            files: files
        )
    }
}

/// Environment variables, where an empty one counts as not set.
struct Variables: Sendable {
    private let values: [String: String]

    init(_ values: [String: String]) { self.values = values }

    subscript(_ name: String) -> String? {
        guard let value = self.values[name], !value.isEmpty else { return nil }
        return value
    }

    /// The first of several variables that is set.
    func first(_ names: String...) -> String? {
        names.lazy.compactMap { self[$0] }.first
    }
}

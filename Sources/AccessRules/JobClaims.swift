package import AccessPolicy

// What the claims of each system say about a job; pure. Sources: the systems' documentation of their tokens, as
// gathered in docs/SECURITY.md. `sub` is never looked at: its form can be customised, and it says less than the rest.

/// What the claims of a token say about its job.
package struct JobClaims: Sendable, Hashable {
    /// What the job runs for.
    package var ref: JobIdentity.Ref
    /// Whether only people of the project can have started it.
    package var isTrusted: Bool
    /// The ref as logs show it.
    package var label: String

    /// Reads claims.
    package init(_ claims: Claims, of provider: IdentityIssuer.Provider) {
        switch provider {
        case .gitHub: self.init(gitHub: claims)
        case .circleCI: self.init(circleCI: claims)
        case .gitLab: self.init(gitLab: claims)
        case .generic: self.init(generic: claims)
        }
    }

    private init(_ ref: JobIdentity.Ref, isTrusted: Bool, label: String?) {
        self.ref = ref
        self.isTrusted = isTrusted
        self.label = label ?? "unknown"
    }

    // MARK: GitHub Actions

    /// Events that only people with write access start, or that run the default branch's own workflow.
    ///
    /// `pull_request_target`, `issue_comment`, `workflow_run` and the like run in the base repository's context although
    /// somebody from outside started them, so they are not among these.
    private static let gitHubTrustedEvents: Set<String> = [
        "push", "schedule", "workflow_dispatch", "repository_dispatch", "delete", "registry_package", "page_build",
        "merge_group",
    ]

    private init(gitHub claims: Claims) {
        let (ref, event) = (claims.text("ref"), claims.text("event_name"))
        let label = ref ?? event
        if event == "pull_request", let number = ref?.part(after: "refs/pull/", before: "/merge") {
            // A token does not tell whether the head is a fork's; a fork's jobs get none unless the project gives them
            // write access, and then nothing else tells them apart.
            self.init(
                .pullRequest(number: number, base: claims.text("base_ref"), isFork: false),
                isTrusted: true,
                label: label
            )
            return
        }
        let isTrusted = event.map { Self.gitHubTrustedEvents.contains($0) } ?? false
        self.init(Self.ref(ref), isTrusted: isTrusted, label: label)
    }

    // MARK: CircleCI

    private init(circleCI claims: Claims) {
        let ref = claims.text("oidc.circleci.com/vcs-ref")
        // A rerun with SSH lets a person type commands into the job. Without an origin nobody knows whose code runs.
        let isTrusted =
            claims.flag("oidc.circleci.com/ssh-rerun") == false && claims.text("oidc.circleci.com/vcs-origin") != nil
        if let number = ref?.part(after: "refs/pull/", before: "/head")
            ?? ref?.part(after: "refs/pull/", before: "/merge")
        {
            self.init(.pullRequest(number: number, base: nil, isFork: true), isTrusted: isTrusted, label: ref)
            return
        }
        self.init(Self.ref(ref), isTrusted: isTrusted, label: ref)
    }

    // MARK: GitLab

    private static let gitLabTrustedSources: Set<String> = ["push", "schedule", "web", "trigger", "api", "pipeline"]

    private init(gitLab claims: Claims) {
        let (path, source) = (claims.text("ref_path"), claims.text("pipeline_source"))
        // Since 18.2.2 `project_id` is the fork's in pipelines of its merge requests; `job_project_id` is where the job
        // ran, and is missing in older versions.
        let project = claims.text("project_id")
        let isOwn = claims.text("job_project_id").map { $0 == project }
        if source == "merge_request_event" {
            let number =
                path?.part(after: "refs/merge-requests/", before: "/head")
                ?? path?.part(after: "refs/merge-requests/", before: "/merge")
            let isTrusted = isOwn ?? false
            guard let number else {
                self.init(.unknown, isTrusted: false, label: path)
                return
            }
            self.init(.pullRequest(number: number, base: nil, isFork: !isTrusted), isTrusted: isTrusted, label: path)
            return
        }
        let isTrusted = (isOwn ?? true) && source.map { Self.gitLabTrustedSources.contains($0) } ?? false
        self.init(Self.ref(path), isTrusted: isTrusted, label: path)
    }

    /// Whether GitLab itself protects the ref; other systems do not say.
    package static func isProtectedBySystem(_ claims: Claims, _ provider: IdentityIssuer.Provider) -> Bool {
        provider == .gitLab ? claims.flag("ref_protected") ?? false : true
    }

    // MARK: Others

    private init(generic claims: Claims) {
        let (name, isTrusted) = (claims.text("ref"), claims.flag("trusted") ?? false)
        let ref: JobIdentity.Ref =
            switch claims.text("ref_type") {
            case "branch": name.map { .branch($0) } ?? .unknown
            case "tag": name.map { .tag($0) } ?? .unknown
            case "pull_request":
                name.map {
                    .pullRequest(number: $0, base: claims.text("base_ref"), isFork: claims.flag("fork") ?? true)
                } ?? .unknown
            default: .unknown
            }
        self.init(ref, isTrusted: isTrusted, label: name)
    }

    private static func ref(_ text: String?) -> JobIdentity.Ref {
        if let branch = text?.part(after: "refs/heads/") { return .branch(branch) }
        if let tag = text?.part(after: "refs/tags/") { return .tag(tag) }
        return .unknown
    }
}

extension String {
    /// What stands between two parts, if it is not empty.
    fileprivate func part(after prefix: String, before suffix: String = "") -> String? {
        guard self.hasPrefix(prefix), self.hasSuffix(suffix), self.count > prefix.count + suffix.count else {
            return nil
        }
        return String(self.dropFirst(prefix.count).dropLast(suffix.count))
    }
}

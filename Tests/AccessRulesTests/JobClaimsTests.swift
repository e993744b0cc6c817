import AccessPolicy
import AccessRules
import Testing

/// What the claims of each system are taken for.
struct JobClaimsTests {
    typealias Ref = JobIdentity.Ref

    static let gitHub: [(event: String, ref: String, base: String?, expected: Ref, isTrusted: Bool)] = [
        ("push", "refs/heads/main", nil, .branch("main"), true),
        ("schedule", "refs/heads/main", nil, .branch("main"), true),
        ("workflow_dispatch", "refs/heads/a/b", nil, .branch("a/b"), true),
        ("push", "refs/tags/v1", nil, .tag("v1"), true),
        ("pull_request", "refs/pull/7/merge", "main", .pullRequest(number: "7", base: "main", isFork: false), true),
        ("pull_request_target", "refs/heads/main", "main", .branch("main"), false),
        ("issue_comment", "refs/heads/main", nil, .branch("main"), false),
        ("issues", "refs/heads/main", nil, .branch("main"), false),
        ("workflow_run", "refs/heads/main", nil, .branch("main"), false),
        ("discussion_comment", "refs/heads/main", nil, .branch("main"), false),
        ("pull_request", "refs/heads/main", "main", .branch("main"), false),
        ("push", "refs/heads/", nil, .unknown, true),
        ("push", "main", nil, .unknown, true),
        ("", "refs/heads/main", nil, .branch("main"), false),
        ("PUSH", "refs/heads/main", nil, .branch("main"), false),
    ]

    @Test(arguments: gitHub.indices) func `a job of GitHub is known by its event and ref`(index: Int) {
        let row = Self.gitHub[index]
        var values: [String: Claims.Value] = ["event_name": .text(row.event), "ref": .text(row.ref)]
        values["base_ref"] = row.base.map { .text($0) }
        let job = JobClaims(Claims(values), of: .gitHub)
        #expect(job.ref == row.expected)
        #expect(job.isTrusted == row.isTrusted)
    }

    static let circleCI: [(ref: String?, origin: String?, rerun: Claims.Value?, expected: Ref, isTrusted: Bool)] = [
        ("refs/heads/main", "github.com/acme/shop", .flag(false), .branch("main"), true),
        ("refs/heads/main", "github.com/acme/shop", .text("false"), .branch("main"), true),
        ("refs/heads/main", "github.com/acme/shop", .flag(true), .branch("main"), false),
        ("refs/heads/main", "github.com/acme/shop", nil, .branch("main"), false),
        ("refs/heads/main", nil, .flag(false), .branch("main"), false),
        (nil, "github.com/acme/shop", .flag(false), .unknown, true),
        ("refs/tags/v1", "github.com/acme/shop", .flag(false), .tag("v1"), true),
        (
            "refs/pull/5/head", "github.com/acme/shop", .flag(false),
            .pullRequest(number: "5", base: nil, isFork: true), true
        ),
    ]

    @Test(arguments: circleCI.indices) func `a job of CircleCI needs an origin and no SSH`(index: Int) {
        let row = Self.circleCI[index]
        var values: [String: Claims.Value] = [:]
        values["oidc.circleci.com/vcs-ref"] = row.ref.map { .text($0) }
        values["oidc.circleci.com/vcs-origin"] = row.origin.map { .text($0) }
        values["oidc.circleci.com/ssh-rerun"] = row.rerun
        let job = JobClaims(Claims(values), of: .circleCI)
        #expect(job.ref == row.expected)
        #expect(job.isTrusted == row.isTrusted)
    }

    static let gitLab: [(path: String, source: String, job: String?, expected: Ref, isTrusted: Bool)] = [
        ("refs/heads/main", "push", "1", .branch("main"), true),
        ("refs/heads/main", "push", nil, .branch("main"), true),
        ("refs/heads/main", "push", "2", .branch("main"), false),
        ("refs/heads/main", "external_pull_request_event", "1", .branch("main"), false),
        ("refs/tags/v1", "push", "1", .tag("v1"), true),
        (
            "refs/merge-requests/3/head", "merge_request_event", "1",
            .pullRequest(number: "3", base: nil, isFork: false), true
        ),
        (
            "refs/merge-requests/3/head", "merge_request_event", "2",
            .pullRequest(number: "3", base: nil, isFork: true), false
        ),
        (
            "refs/merge-requests/3/merge", "merge_request_event", nil,
            .pullRequest(number: "3", base: nil, isFork: true), false
        ),
        ("refs/heads/main", "merge_request_event", "1", .unknown, false),
    ]

    @Test(arguments: gitLab.indices) func `a job of GitLab is the project's only if it ran there`(index: Int) {
        let row = Self.gitLab[index]
        var values: [String: Claims.Value] = [
            "project_id": .text("1"), "ref_path": .text(row.path), "pipeline_source": .text(row.source),
        ]
        values["job_project_id"] = row.job.map { .text($0) }
        let job = JobClaims(Claims(values), of: .gitLab)
        #expect(job.ref == row.expected)
        #expect(job.isTrusted == row.isTrusted)
    }

    @Test func `other systems are believed only what they say outright`() {
        let says: (String) -> JobClaims = { trusted in
            JobClaims(
                Claims(["ref_type": .text("branch"), "ref": .text("main"), "trusted": .text(trusted)]),
                of: .generic
            )
        }
        #expect(says("true").isTrusted)
        #expect(!says("yes").isTrusted)
        #expect(JobClaims(Claims([:]), of: .generic).ref == .unknown)
    }
}

/// How far a principal is trusted: one row of the table of rules.
///
/// Source of the table: `docs/SECURITY.md`.
public enum Tier: String, Hashable, Sendable, Codable, CaseIterable {
    /// Jobs of the default branch.
    case main
    /// Jobs of other protected branches, such as `release/1`.
    case release
    /// Jobs of branches that are not protected, and of projects whose jobs trust each other.
    case branch
    /// Jobs of pull requests from the project itself.
    case pullRequest = "pull-request"
    /// Jobs of pull requests from forks.
    case fork
    /// Jobs that somebody from outside may have started in the project's own context, or of which too little is known.
    case untrusted
    /// Jobs of tags.
    case tag
    /// A person at a terminal.
    case developer
    /// Reads what happened, and no content.
    case auditor
    /// May do everything; all of it is in the audit log.
    case administrator
    /// Anybody without a credential for the project.
    case stranger

    /// The number of the tier's rule, as answers and the audit log name it.
    public var rule: String {
        switch self {
        case .main: "R1"
        case .release: "R2"
        case .branch: "R3"
        case .pullRequest: "R4"
        case .fork: "R5"
        case .untrusted: "R6"
        case .tag: "R7"
        case .developer: "R8"
        case .auditor: "R9"
        case .administrator: "R10"
        case .stranger: "R11"
        }
    }
}

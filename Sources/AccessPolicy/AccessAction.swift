/// What a request wants to do.
public enum AccessAction: String, Hashable, Sendable, Codable, CaseIterable {
    /// Find an entry and get its bytes.
    case read
    /// List keys, their history and figures of a project.
    case list
    /// Put an entry under a free key, and upload what it needs.
    case save
    /// Put an entry in the place of another.
    case replace
    /// Remove an entry, or bring a removed one back.
    case remove
    /// Keep an entry from being evicted, or end that.
    case pin
    /// See what the server knows of all projects: listings, figures, the audit log.
    case audit
    /// Make tokens, collect, repair.
    case administer

    /// What is asked of one project; the other actions concern the whole server.
    public static let ofProjects: Set<Self> = [.read, .list, .save, .replace, .remove, .pin]
}

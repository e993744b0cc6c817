internal import AccessControl
internal import AccessPolicy
internal import CacheModel
internal import NIOHTTP1

extension AccessControl {
    /// Whether the sender of a request for a blob may read all blobs of the project in its path.
    ///
    /// It says no to whatever is not plain: the request then takes the long way, which decides for itself.
    func allowsFastAnswer(to head: HTTPRequestHead) -> Bool {
        guard self.isClosed else { return true }
        let fields = head.headers["authorization"]
        guard fields.count == 1, let project = Self.project(in: head.uri),
            let credential = try? self.authenticate(fields[0])
        else { return false }
        let access = self.access(credential, to: project)
        // Where scopes matter, the catalog has to be asked.
        return access.isOneForAll && access.visibleScopes == nil
    }

    /// The project in `/v1/projects/OWNER/NAME/…`, if it is written without percent-encoding.
    private static func project(in path: String) -> ProjectName? {
        let parts = path.split(separator: "/", maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0].isEmpty, parts[1] == "v1", parts[2] == "projects" else { return nil }
        return try? ProjectName(owner: String(parts[3]), name: String(parts[4]))
    }
}

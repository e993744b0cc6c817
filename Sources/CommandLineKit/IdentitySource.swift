internal import CacheClient

/// Where the CI system keeps the token that says which job this is.
enum IdentitySource: Hashable, Sendable {
    /// The token is there.
    case token(String)
    /// It has to be asked for.
    case gitHub(address: String, bearer: String)

    /// What the job's environment has: `TARN_ID_TOKEN`, CircleCI's or GitHub's own variables.
    static func find(in environment: [String: String]) -> Self? {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let token = value("TARN_ID_TOKEN") { return .token(token) }
        if value("CIRCLECI") == "true", let token = value("CIRCLE_OIDC_TOKEN_V2") { return .token(token) }
        if let address = value("ACTIONS_ID_TOKEN_REQUEST_URL"), let bearer = value("ACTIONS_ID_TOKEN_REQUEST_TOKEN") {
            return .gitHub(address: address, bearer: bearer)
        }
        return nil
    }

    /// The token, for this audience where it can be chosen.
    func token(for audience: String) async throws -> String {
        switch self {
        case .token(let token): token
        case .gitHub(let address, let bearer):
            try await GitHubIdentity.token(from: address, bearer: bearer, audience: audience)
        }
    }
}

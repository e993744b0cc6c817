/// Why a request has no credential.
///
/// Expired and revoked are said only to those who know the secret.
package enum CredentialRefusal: Error, Hashable, Sendable, CaseIterable {
    /// The request has none.
    case none
    /// What it has is no credential at all.
    case malformed
    /// The checksum of a token is wrong.
    case mistyped
    case unknown
    case expired
    case revoked

    /// What happened and what to do next.
    package var message: String {
        switch self {
        case .none: "this needs a credential, and the request has none"
        case .malformed: "the credential is no token; one starts with tarn_ and is sent as 'Authorization: Bearer …'"
        case .mistyped: "the token has a typing error: its checksum is wrong; copy it again"
        case .unknown: "the credential is not known here; ask the operator for another"
        case .expired: "the credential has expired; ask the operator for another"
        case .revoked: "the credential was revoked; ask the operator for another"
        }
    }
}

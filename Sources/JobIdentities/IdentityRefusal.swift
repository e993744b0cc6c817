/// Why an identity token is not believed: which rule failed, and never anything of the token itself.
package enum IdentityRefusal: Error, Hashable, Sendable {
    /// It is longer than 16 KiB.
    case tooLong
    /// It is no token of three parts with JSON in two of them.
    case malformed
    /// It is signed in a way that is not accepted: only RS256, ES256 and EdDSA are.
    case algorithm
    /// It names no key, or one that the issuer does not have.
    case unknownKey
    /// Its issuer is not in the access file.
    case unknownIssuer
    /// Its audience is not this server's.
    case audience
    /// The signature is not the key's.
    case signature
    /// It has expired, or says no time.
    case expired
    /// It is not valid yet.
    case notYetValid
    /// It has been exchanged too often.
    case replayed
    /// No project of the access file has a binding that fits.
    case unbound
    /// The issuer's keys cannot be fetched, and no earlier ones may be used any more.
    case keysUnavailable

    /// What happened and what to do next.
    package var message: String {
        switch self {
        case .tooLong: "the identity token is longer than 16 KiB"
        case .malformed: "this is no identity token: it needs three parts, of which two are base64url of JSON"
        case .algorithm: "the identity token is signed with an algorithm other than RS256, ES256 and EdDSA"
        case .unknownKey: "the identity token names no key that its issuer has now"
        case .unknownIssuer: "the issuer of the identity token is not in this server's access file"
        case .audience:
            "the identity token is for another audience; ask the CI system for one with this server's audience"
        case .signature: "the signature of the identity token is wrong"
        case .expired: "the identity token has expired; ask the CI system for a new one"
        case .notYetValid: "the identity token is not valid yet; compare the clocks of both machines"
        case .replayed: "the identity token was exchanged too often; ask the CI system for a new one"
        case .unbound: "no project of this server's access file has an identity with the claims of this token"
        case .keysUnavailable: "the issuer's keys cannot be fetched now; try again"
        }
    }
}

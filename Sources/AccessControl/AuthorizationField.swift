internal import FoundationEssentials

/// The value of an `Authorization` field.
enum AuthorizationField {
    /// No credential is nearly as long.
    private static let longest = 16_384

    /// The secret that the field carries: the token of `Bearer`, the password of `Basic`.
    static func secret(in value: String?) throws(CredentialRefusal) -> String {
        guard let value, !value.isEmpty else { throw .none }
        guard value.utf8.count <= self.longest else { throw .malformed }
        let parts = value.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { throw .malformed }
        let rest = parts[1].drop { $0 == " " }
        switch parts[0].lowercased() {
        case "bearer": return String(rest)
        case "basic":
            guard let data = Data(base64Encoded: String(rest)), let text = String(validating: data, as: UTF8.self),
                let colon = text.firstIndex(of: ":")
            else { throw .malformed }
            let password = String(text[text.index(after: colon)...])
            guard !password.isEmpty else { throw .none }
            return password
        default: throw .malformed
        }
    }
}

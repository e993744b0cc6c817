package import LayerFiles

/// What is told about a save that was refused because of secrets.
package enum SecretsReport {
    /// A finding in a JSON document.
    package struct Finding: Encodable, Hashable, Sendable {
        var path: String
        var kind: FoundSecret.Kind
        var what: String
        var line: Int?
    }

    /// The most findings that a log shows.
    private static let limit = 20

    /// Why the save was refused, in one sentence.
    package static let reason =
        "files seem to hold secrets; remove them or save other paths, or save with --allow-secrets"

    /// The lines that a log gets: each file, what it holds, and how to go on; never the secret.
    package static func lines(for secrets: [FoundSecret]) -> [String] {
        let files = OutputText.count(Set(secrets.map(\.path)).count, "file seems", "files seem")
        var lines = ["Error: \(files) to hold secrets, so nothing was uploaded:"]
        for secret in secrets.prefix(Self.limit) {
            let line = secret.line.map { " in line \($0)" } ?? ""
            lines.append("  \(secret.path): \(secret.what)\(line)")
        }
        if secrets.count > Self.limit { lines.append("  and \(secrets.count - Self.limit) more") }
        lines.append(
            "Remove the files or save other paths; if all who may read the cache may have them, add --allow-secrets."
        )
        return lines
    }

    /// The findings for a JSON document.
    package static func findings(_ secrets: [FoundSecret]) -> [Finding] {
        secrets.map { Finding(path: $0.path, kind: $0.kind, what: $0.what, line: $0.line) }
    }
}

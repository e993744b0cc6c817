internal import Glibc

/// Which files can hold a secret, by their names.
///
/// Only these are opened: a tree of ten thousand sources and libraries costs a look at its names.
enum SecretNames {
    /// Files that are always looked at, in lower case.
    private static let names: [String: SecretChecks] = [
        ".npmrc": [.npm, .token, .url], "npmrc": [.npm, .token, .url], ".yarnrc": [.npm, .token, .url],
        ".yarnrc.yml": [.yarn, .token], ".pypirc": [.packageIndex, .token], "auth.toml": [.packageIndex, .token],
        "pip.conf": [.url, .token], "pip.ini": [.url, .token], "uv.toml": [.url], "requirements.txt": [.url],
        "pipfile": [.url], ".condarc": [.url],
        ".netrc": .netrc, "_netrc": .netrc, "netrc": .netrc,
        "config.json": [.docker, .token], ".dockercfg": .docker, ".dockerconfigjson": .docker,
        "auth.json": [.docker, .composer, .token],
        "settings.xml": .maven, "settings-security.xml": .maven,
        "gradle.properties": [.gradle, .token], "keystore.properties": [.gradle, .token],
        "local.properties": [.gradle, .token],
        "credentials": [.namedToken, .gem, .aws, .token, .git, .privateKey],
        "credentials.toml": [.namedToken, .token],
        "nuget.config": [.nuget, .token],
        "config": [.git, .kubernetes, .aws, .bundler, .token],
        "config.worktree": .git, ".gitconfig": [.git, .token], ".gitmodules": .git,
        ".git-credentials": [.git, .token],
        "kubeconfig": [.kubernetes, .token], "admin.conf": .kubernetes,
        "application_default_credentials.json": .cloudDocument, "adc.json": .cloudDocument,
        "accesstokens.json": .cloudDocument, "msal_token_cache.json": .cloudDocument,
        "service_principal_entries.json": .cloudDocument, "credentials.tfrc.json": [.cloudDocument, .token],
        ".s3cfg": .aws, ".boto": .aws, ".vault-token": .onlyToken,
        ".terraformrc": [.namedToken, .token], "terraform.rc": [.namedToken, .token],
        "hosts.yml": [.codeHost, .token], ".my.cnf": .password, ".hgrc": [.password, .url],
        "hgrc": [.password, .url],
    ]

    /// Files that are always looked at, by what follows their last dot.
    private static let extensions: [String: SecretChecks] = [
        "pem": .privateKey, "key": .privateKey, "ppk": .privateKey, "p8": .privateKey, "pk8": .privateKey,
        "asc": .privateKey, "gpg": .privateKey, "der": .privateKey,
        "p12": .keyStore, "pfx": .keyStore, "jks": .keyStore, "keystore": .keyStore,
        "env": [.environment, .token, .privateKey], "kubeconfig": [.kubernetes, .token],
    ]

    /// Kinds of text that hold a secret only if the rest of the name hints at one.
    private static let texts: Set<String> = [
        "", "txt", "json", "yml", "yaml", "toml", "ini", "cfg", "conf", "config", "properties", "xml", "sh", "tfvars",
        "bak", "old", "orig", "backup", "token", "secret",
    ]
    private static let hints = [
        "secret", "token", "cred", "passw", "private", "key", "rsa", "ed25519", "ecdsa", "id_",
    ].map { Array($0.utf8) }
    /// The largest file that is looked at for a hint alone.
    private static let hintLimit = 65_536
    /// A service account's document is about this long, whatever its name.
    private static let serviceAccountSizes = 1_200...4_096
    /// The longest name without an extension that a person gives; longer ones are digests in caches and in git.
    private static let longestBareName = 32

    private static let extensionCodes: Set<UInt64> = {
        let all = Set(Self.extensions.keys).union(Self.texts).union(Self.names.keys.compactMap { Self.ending(of: $0) })
        return Set(all.filter { $0.utf8.count <= 8 }.map { Self.code(of: $0) })
    }()

    /// Whether it is worth a closer look; cheap, as it is asked for every file of a tree.
    static func mayMatter(_ path: UnsafeBufferPointer<UInt8>) -> Bool {
        var code: UInt64 = 0
        var count = 0
        var position = path.count
        while position > 0, path[position - 1] != UInt8(ascii: "/") {
            position -= 1
            let byte = path[position]
            if byte == UInt8(ascii: ".") {
                return count > 8 || Self.extensionCodes.contains(code) || Self.isHidden(path, before: position)
            }
            if count < 8 { code |= UInt64(Self.lower(byte)) << UInt64(8 * count) }
            count += 1
        }
        return count <= Self.longestBareName
    }

    /// Whether the name that has a dot at `position` begins with a dot.
    private static func isHidden(_ path: UnsafeBufferPointer<UInt8>, before position: Int) -> Bool {
        var start = position
        while start > 0, path[start - 1] != UInt8(ascii: "/") { start -= 1 }
        return path[start] == UInt8(ascii: ".")
    }

    private static func lower(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    private static func code(of ending: String) -> UInt64 {
        ending.utf8.reversed().enumerated().reduce(0) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) }
    }

    /// What follows the last dot of a name; `nil` if there is none.
    private static func ending(of name: String) -> String? {
        name.lastIndex(of: ".").map { String(name[name.index(after: $0)...]) }
    }

    /// What to look for in a file.
    ///
    /// - Parameters:
    ///   - path: Its path below the anchor.
    ///   - anchor: The anchor.
    ///   - size: The file's size.
    /// - Returns: Nothing for most files.
    static func checks(for path: UnsafeBufferPointer<UInt8>, anchor: String, size: Int) -> SecretChecks {
        guard size >= 8 else { return [] }
        let bytes = path.dropping(path.lastSlash.map { $0 + 1 } ?? 0).map(Self.lower)
        let dot = bytes.lastIndex(of: UInt8(ascii: "."))
        let name = String(decoding: bytes, as: UTF8.self)
        let ending = dot.map { String(decoding: bytes[($0 + 1)...], as: UTF8.self) } ?? ""
        var checks = Self.names[name] ?? []
        checks.formUnion(Self.extensions[ending] ?? [])
        if bytes.starts(with: ".env".utf8), name == ".env" || name == ".envrc" || name.hasPrefix(".env.") {
            checks.formUnion([.environment, .token, .privateKey])
        }
        if Self.isKeyFolder(path, anchor: anchor) { checks.formUnion(.privateKey) }
        if size <= Self.hintLimit, Self.texts.contains(ending), Self.hasHint(bytes) {
            checks.formUnion([.privateKey, .token])
            if ending == "json" { checks.formUnion(.cloudDocument) }
            if name.contains("cred") { checks.formUnion(.git) }
        }
        if checks.isEmpty, ending == "json", Self.serviceAccountSizes.contains(size), !Self.isInstalled(path, name) {
            checks.formUnion(.serviceAccount)
        }
        return checks
    }

    private static func hasHint(_ name: [UInt8]) -> Bool {
        name.indices.contains { start in
            Self.hints.contains { name[start] == $0[0] && name[start...].starts(with: $0) }
        }
    }

    /// Whether a file stands where there are only keys and what belongs to them.
    private static func isKeyFolder(_ path: UnsafeBufferPointer<UInt8>, anchor: String) -> Bool {
        for folder in [".ssh", "private-keys-v1.d"] {
            guard let slash = path.lastSlash else {
                if anchor.hasSuffix(folder) { return true }
                continue
            }
            let count = folder.utf8.count
            if slash >= count, path[slash - count..<slash].elementsEqual(folder.utf8) { return true }
        }
        return false
    }

    private static func isInstalled(_ path: UnsafeBufferPointer<UInt8>, _ name: String) -> Bool {
        let path = UnsafeRawBufferPointer(path)
        return name == "package.json" || path.position(of: "node_modules/") != nil
            || path.position(of: "site-packages/") != nil || path.position(of: "checkouts/") != nil
    }

    // MARK: Keys that everybody has

    /// Where package managers put what others have published.
    private static let installations: Set<Substring> = [
        "site-packages", "dist-packages", "node_modules", "gems", "mod", "registry", "checkouts", "_cacache",
        "vendor", "google-cloud-sdk",
    ]
    private static let fixtures: Set<Substring> = [
        "test", "tests", "testing", "testdata", "test_data", "test-data", "__tests__", "spec", "specs", "fixtures",
        "fixture", "certdata", "example", "examples", "test-ca", "dummyserver", "sample", "samples",
    ]

    /// Whether a file belongs to the tests or examples of an installed package; what it holds is known to everybody.
    static func isPublishedFixture(_ path: String) -> Bool {
        let folders = path.lowercased().split(separator: "/").dropLast()
        // `lib/python3.12/test` is Python's own.
        let start = folders.firstIndex { Self.installations.contains($0) || $0.hasPrefix("python3.") }
        guard let start else { return false }
        return folders[start...].dropFirst().contains { Self.fixtures.contains($0) }
    }
}

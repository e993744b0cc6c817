/// A file of a tree that seems to hold a secret.
///
/// It says where and what, and never the secret itself.
public struct FoundSecret: Hashable, Sendable {
    /// What kind of secret it is; the raw values are part of the programs' JSON output.
    public enum Kind: String, Hashable, Sendable, Encodable {
        /// A private key: PEM, OpenSSH, PuTTY, OpenPGP or DER.
        case privateKey = "private-key"
        /// A key store that holds private keys: PKCS #12 or Java.
        case keyStore = "key-store"
        /// The login of a package or image registry.
        case registryLogin = "registry-login"
        /// The login of a git server.
        case gitLogin = "git-login"
        /// The login of a cloud provider.
        case cloudLogin = "cloud-login"
        /// The login of a Kubernetes cluster.
        case clusterLogin = "cluster-login"
        /// A password of something else.
        case password
        /// A token whose form tells what it is.
        case token
    }

    /// The absolute path of the file, fit to be displayed.
    public let path: String
    /// What kind of secret it is.
    public let kind: Kind
    /// What it is, in a few words that follow "holds".
    public let what: String
    /// The line it stands in, counted from 1; `nil` if the file has no lines.
    public let line: Int?
}

/// What a check found in a file.
struct SecretHit: Hashable {
    var kind: FoundSecret.Kind
    var what: String
    var line: Int?
}

/// What to look for in a file.
struct SecretChecks: OptionSet {
    let rawValue: UInt32

    static let privateKey = Self(rawValue: 1 << 0)
    static let keyStore = Self(rawValue: 1 << 1)
    static let token = Self(rawValue: 1 << 2)
    /// A password in a URL.
    static let url = Self(rawValue: 1 << 3)
    static let git = Self(rawValue: 1 << 4)
    static let npm = Self(rawValue: 1 << 5)
    static let yarn = Self(rawValue: 1 << 6)
    static let packageIndex = Self(rawValue: 1 << 7)
    static let netrc = Self(rawValue: 1 << 8)
    static let docker = Self(rawValue: 1 << 9)
    static let composer = Self(rawValue: 1 << 10)
    static let maven = Self(rawValue: 1 << 11)
    static let gradle = Self(rawValue: 1 << 12)
    /// `token = …`, as Cargo and Terraform have it.
    static let namedToken = Self(rawValue: 1 << 13)
    static let gem = Self(rawValue: 1 << 14)
    static let nuget = Self(rawValue: 1 << 15)
    static let kubernetes = Self(rawValue: 1 << 16)
    static let aws = Self(rawValue: 1 << 17)
    static let serviceAccount = Self(rawValue: 1 << 18)
    static let cloudDocument = Self(rawValue: 1 << 19)
    static let environment = Self(rawValue: 1 << 20)
    static let bundler = Self(rawValue: 1 << 21)
    static let codeHost = Self(rawValue: 1 << 22)
    static let password = Self(rawValue: 1 << 23)
    /// The file is nothing but a token.
    static let onlyToken = Self(rawValue: 1 << 24)
}

/// Files with planted secrets, and files that only look like it.
///
/// Every secret is made here of pieces and of noise, so that no scanner of a code host takes one for real.
enum SecretCorpus {
    struct Planted: Sendable, CustomStringConvertible {
        var path: String
        var content: [UInt8]
        var kind: String
        /// What must not be repeated in a finding.
        var secret: String
        var description: String { self.path }

        init(_ path: String, _ kind: String, secret: String, _ content: String) {
            self.init(path, kind, secret: secret, Array(content.utf8))
        }

        init(_ path: String, _ kind: String, secret: String, _ content: [UInt8]) {
            self.path = path
            self.content = content
            self.kind = kind
            self.secret = secret
        }
    }

    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")

    /// Characters that look random, the same for the same seed.
    static func noise(_ count: Int, _ seed: UInt64, upper: Bool = false) -> String {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        let alphabet = upper ? Array(self.letters.prefix(26)) : self.letters
        return String(
            (0..<count).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return alphabet[Int(state >> 33) % alphabet.count]
            }
        )
    }

    static func armored(_ label: String, _ secret: String, lineEnd: String = "\n") -> String {
        let dashes = String(repeating: "-", count: 5)
        let name = label.isEmpty ? "PRIVATE" + " KEY" : label + " PRIVATE" + " KEY"
        return [
            "\(dashes)BEGIN \(name)\(dashes)", secret, secret, "\(dashes)END \(name)\(dashes)", "",
        ].joined(separator: lineEnd)
    }

    static var planted: [Planted] { Self.keys + Self.registries + Self.others }

    private static var keys: [Planted] {
        let secret = Self.noise(64, 1)
        let encrypted = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n" + secret
        let der: [UInt8] = [0x30, 0x82, 0x04, 0xbe, 0x02, 0x01, 0x00, 0x30, 0x0d] + Array(secret.utf8)
        let store: [UInt8] = [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1] + Array(secret.utf8)
        let pkcs12: [UInt8] = [0x30, 0x82, 0x09, 0x01, 0x02, 0x01, 0x03, 0x30] + Array(secret.utf8)
        let putty = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPublic-Lines: 2\n"
        return [
            Planted("home/.ssh/id_rsa", "private-key", secret: secret, Self.armored("RSA", secret)),
            Planted("home/.ssh/id_ed25519", "private-key", secret: secret, Self.armored("OPENSSH", secret)),
            Planted("home/.ssh/work", "private-key", secret: secret, Self.armored("OPENSSH", secret)),
            Planted("app/tls/server.key", "private-key", secret: secret, Self.armored("", secret, lineEnd: "\r\n")),
            Planted("app/tls/bundle.pem", "private-key", secret: secret, "subject=x\n" + Self.armored("EC", secret)),
            Planted("app/deploy_key", "private-key", secret: secret, Self.armored("ENCRYPTED", secret)),
            Planted("app/old.pem", "private-key", secret: secret, Self.armored("RSA", encrypted)),
            Planted("app/login.ppk", "private-key", secret: secret, putty + "Private-Lines: 1\n\(secret)\n"),
            Planted("app/release.asc", "private-key", secret: secret, Self.armored("PGP", secret).withBlocks),
            Planted("app/signing.pk8", "private-key", secret: secret, der),
            Planted("app/upload.keystore", "key-store", secret: secret, store),
            Planted("app/client.p12", "key-store", secret: secret, pkcs12),
        ]
    }

    private static var registries: [Planted] {
        let secret = Self.noise(40, 2)
        return [
            Planted(
                "home/.docker/config.json",
                "registry-login",
                secret: secret,
                #"{"auths": {"https://index.docker.io/v1/": {"auth": "\#(secret)"}}}"#
            ),
            Planted(
                "run/containers/auth.json",
                "registry-login",
                secret: secret,
                #"{"auths": {"quay.io": {"auth": "\#(secret)"}}}"#
            ),
            Planted(".npmrc", "registry-login", secret: secret, "//npm.acme.test/:_authToken=\(secret)\n"),
            Planted("sub/.npmrc", "registry-login", secret: secret, "always-auth=true\n_password = \"\(secret)\"\n"),
            Planted(".yarnrc.yml", "registry-login", secret: secret, "npmScopes:\n  a:\n    npmAuthToken: \(secret)\n"),
            Planted(".pypirc", "registry-login", secret: secret, "[pypi]\nusername = u\npassword = \(secret)\n"),
            Planted(
                "venv/pip.conf",
                "registry-login",
                secret: secret,
                "[global]\nindex-url = https://ci:\(secret)@pypi.acme.test/simple\n"
            ),
            Planted(
                ".m2/settings.xml",
                "registry-login",
                secret: secret,
                "<settings><servers><server>\n<password>\(secret)</password></server></servers></settings>"
            ),
            Planted("gradle.properties", "registry-login", secret: secret, "a.b=c\nnexusToken=\(secret)\n"),
            Planted(".cargo/credentials.toml", "registry-login", secret: secret, "[registry]\ntoken = \"\(secret)\"\n"),
            Planted(".cargo/credentials", "registry-login", secret: secret, "[registry]\ntoken = \"\(secret)\"\n"),
            Planted(".gem/credentials", "registry-login", secret: secret, "---\n:rubygems_api_key: \(secret)\n"),
            Planted(
                "NuGet.Config",
                "registry-login",
                secret: secret,
                "<configuration>\n<add key=\"ClearTextPassword\" value=\"\(secret)\" />\n</configuration>"
            ),
            Planted(
                "composer/auth.json",
                "registry-login",
                secret: secret,
                #"{"http-basic": {"repo.acme.test": {"username": "u", "password": "\#(secret)"}}}"#
            ),
            Planted(
                "composer2/auth.json",
                "registry-login",
                secret: secret,
                #"{"github-oauth": {"github.com": "\#(secret)"}}"#
            ),
            Planted(
                ".bundle/config",
                "registry-login",
                secret: secret,
                "---\nBUNDLE_GEMS__ACME__TEST: \"ci:\(secret)\"\n"
            ),
        ]
    }

    private static var others: [Planted] {
        let secret = Self.noise(40, 3)
        let key = Self.armored("", Self.noise(64, 4), lineEnd: "\\n")
        let filler = Self.noise(1_500, 5)
        func token(_ start: String, _ count: Int) -> String { start + Self.noise(count, 6) }
        return [
            Planted("home/.netrc", "password", secret: secret, "machine a.test login u password \(secret)\n"),
            Planted(
                "home/.kube/config",
                "cluster-login",
                secret: secret,
                "kind: Config\nclusters: []\nusers:\n- user:\n    client-key-data: \(secret)\n"
            ),
            Planted(
                "home/.aws/credentials",
                "cloud-login",
                secret: secret,
                "[default]\naws_secret_access_key = \(secret)\n"
            ),
            Planted(
                "gcloud/application_default_credentials.json",
                "cloud-login",
                secret: secret,
                #"{"client_id": "x", "refresh_token": "\#(secret)", "type": "authorized_user"}"#
            ),
            Planted(
                "acme-ci-3f2a.json",
                "cloud-login",
                secret: Self.noise(64, 4),
                #"{"type": "service_account", "private_key": "\#(key)", "filler": "\#(filler)"}"#
            ),
            Planted("azure/accessTokens.json", "cloud-login", secret: secret, #"[{"accessToken": "\#(secret)"}]"#),
            Planted(
                "src/.git/config",
                "git-login",
                secret: secret,
                "[http \"https://github.com/\"]\n\textraheader = AUTHORIZATION: basic \(secret)\n"
            ),
            Planted(
                "dep/.git/config",
                "git-login",
                secret: secret,
                "[remote \"origin\"]\n\turl = https://oauth2:\(secret)@gitlab.acme.test/a/b.git\n"
            ),
            Planted("home/.git-credentials", "git-login", secret: secret, "https://u:\(secret)@github.com\n"),
            Planted(
                ".env",
                "token",
                secret: Self.noise(16, 7, upper: true),
                "A=1\nAWS=AKIA\(Self.noise(16, 7, upper: true))\n"
            ),
            Planted(".env.production", "token", secret: token("ghp_", 36), "export T=\"\(token("ghp_", 36))\"\n"),
            Planted("ci.env", "token", secret: token("glpat-", 20), "T=\(token("glpat-", 20))\n"),
            Planted("conf/slack_token.txt", "token", secret: token("xoxb-", 40), token("xoxb-", 40)),
            Planted("conf/secrets.yml", "token", secret: token("sk_live_", 24), "stripe: \(token("sk_live_", 24))\n"),
            Planted("npm-token", "token", secret: token("npm_", 36), token("npm_", 36)),
            Planted(
                "tarn/token",
                "token",
                secret: Self.noise(43, 8),
                "cch_" + Self.noise(12, 9) + "_" + Self.noise(43, 8) + "_" + Self.noise(6, 10)
            ),
        ]
    }

    /// Files that hold no secret although name or content reminds of one.
    static var harmless: [(path: String, content: String)] {
        let noise = Self.noise(64, 20)
        let certificate = Self.armored("", noise).replacing("PRIVATE" + " KEY", with: "CERTIFICATE")
        let key = Self.armored("RSA", noise)
        return [
            ("venv/lib/python3.12/site-packages/certifi/cacert.pem", certificate),
            ("venv/lib/python3.12/site-packages/tornado/test/test.key", key),
            ("venv/lib/python3.12/test/certdata/keycert.pem", key),
            ("node_modules/public-encrypt/test/rsa.1024.priv.pem", key),
            ("go/pkg/mod/golang.org/x/crypto/testdata/id_rsa", key),
            (".build/checkouts/async-http-client/Tests/Resources/key.pem", key),
            ("src/keys.py", "KEY = '''\(key)'''\n"),
            ("docs/key.txt", key.replacing(noise, with: "...")),
            ("home/.ssh/id_rsa.pub", "ssh-rsa \(noise) me@home\n"),
            ("home/.ssh/known_hosts", "github.com ssh-ed25519 \(noise)\n"),
            ("home/.docker/config.json", #"{"auths": {"quay.io": {}}, "credsStore": "pass"}"#),
            (".npmrc", "//registry.npmjs.org/:_authToken=${NPM_TOKEN}\nregistry=https://registry.npmjs.org/\n"),
            (".yarnrc.yml", "npmAuthToken: \"${TOKEN}\"\n"),
            (".pypirc", "[pypi]\nusername = __token__\npassword = <your-token>\n"),
            ("pip.conf", "[global]\nindex-url = https://pypi.acme.test/simple\n# https://user:password@host\n"),
            ("requirements.txt", "x @ git+https://${USER}:${TOKEN}@github.com/a/x\ny @ git+ssh://git@github.com/a/y\n"),
            (".m2/settings.xml", "<password>${env.PASSWORD}</password><password>{AbCd123=}</password>"),
            ("gradle.properties", "org.gradle.jvmargs=-Xmx2g\nsystemProp.javax.net.ssl.trustStorePassword=changeit\n"),
            ("nuget.config", "<add key=\"ClearTextPassword\" value=\"%NUGET_TOKEN%\" />"),
            (
                "src/.git/config",
                "[remote \"origin\"]\n\turl = https://github.com/acme/shop.git\n\turl = git@github.com:a/b\n"
            ),
            ("home/.netrc", "machine a.test login u password xxxxxxxx\n"),
            ("home/.kube/config", "kind: Config\nclusters: []\nusers:\n- user:\n    exec: {command: aws}\n"),
            ("home/.aws/credentials", "[default]\naws_secret_access_key = \(noise.prefix(20))EXAMPLEKEY\n"),
            (".env.example", "AWS=AKIAIOSFODNN7" + "EXAMPLE\nGH=ghp_" + String(repeating: "x", count: 36) + "\n"),
            ("composer/auth.json", #"{"http-basic": {}, "github-oauth": {"github.com": ""}}"#),
            ("conf/tokenizer_config.json", #"{"token": "<unk>", "pad_token": "[PAD]"}"#),
            ("conf/keyboard.json", #"{"secret": "A word for something that nobody shall know"}"#),
            ("empty.pem", ""),
        ]
    }
}

extension String {
    /// OpenPGP calls its armour a block.
    fileprivate var withBlocks: String { self.replacing("PRIVATE" + " KEY", with: "PRIVATE" + " KEY BLOCK") }
}

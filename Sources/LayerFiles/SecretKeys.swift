// Private keys, key stores, and tokens whose form tells what they are.

extension SecretText {
    /// A private key in any of the forms in which keys are kept.
    func privateKey() -> SecretHit? { self.armoredKey() ?? self.puttyKey() ?? self.binaryKey() ?? self.agentKey() }

    private func armoredKey() -> SecretHit? {
        for position in self.positions(of: "PRIVATE KEY") {
            let start = self.bytes[..<position].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            let label = String(decoding: self.bytes[max(start, position - 64)..<position], as: UTF8.self)
            guard label.contains("-----BEGIN ") else { continue }
            guard let body = self.position(of: "-----", from: position), body - position <= 24 else { continue }
            guard self.isKeyMaterial(after: body + 5) else { continue }
            return SecretHit(kind: .privateKey, what: "a private key", line: self.line(at: position))
        }
        return nil
    }

    /// Whether base64, or the header of an encrypted key, follows; documentation has dots there.
    private func isKeyMaterial(after start: Int) -> Bool {
        var position = self.skippingSpace(start)
        // In JSON and in environment variables line ends are written `\n`.
        while position + 1 < self.bytes.count, self.bytes[position] == UInt8(ascii: "\\") { position += 2 }
        position = self.skippingSpace(position)
        let headers = ["Proc-Type:", "Version:", "Comment:", "Hash:", "Charset:"]
        if headers.contains(where: { self.bytes[position...].starts(with: $0.utf8) }) { return true }
        let text = self.text(from: position, upTo: "\n\r\\\"' -")
        return text.utf8.count >= 24 && text.utf8.allSatisfy { $0.isBase64 } && text.isVaried
    }

    private func puttyKey() -> SecretHit? {
        guard self.bytes.starts(with: "PuTTY-User-Key-File-".utf8), self.contains("Private-Lines:") else { return nil }
        return SecretHit(kind: .privateKey, what: "a private key (PuTTY)", line: 1)
    }

    /// PKCS #8 or PKCS #1 in DER: a sequence that begins with the version 0.
    private func binaryKey() -> SecretHit? {
        guard self.bytes.count > 64, self.bytes[0] == 0x30, self.bytes[1] & 0x80 != 0 else { return nil }
        let content = 2 + Int(self.bytes[1] & 0x7f)
        guard content <= 5, self.bytes[content...].starts(with: [0x02, 0x01, 0x00]) else { return nil }
        guard [0x02, 0x30].contains(self.bytes[content + 3]) else { return nil }
        return SecretHit(kind: .privateKey, what: "a private key (DER)")
    }

    /// A key as GnuPG's agent keeps it.
    private func agentKey() -> SecretHit? {
        let starts = [
            "(21:protected-private-key", "(11:private-key", "Key: (protected-private-key", "Key: (private-key",
        ]
        let isKey = starts.contains { self.bytes.starts(with: $0.utf8) }
        guard isKey || self.contains("\nKey: (private-key") || self.contains("\nKey: (protected-") else { return nil }
        return SecretHit(kind: .privateKey, what: "a private key (GnuPG)")
    }

    /// A PKCS #12 file, or a Java key store whose first entry is a private key.
    func keyStore() -> SecretHit? {
        guard self.bytes.count > 64 else { return nil }
        if self.bytes.starts(with: [0xfe, 0xed, 0xfe, 0xed]) {
            // Version, count, and the tag of the first entry: 1 is a private key, 2 a certificate.
            guard self.bytes[12..<16].elementsEqual([0, 0, 0, 1]) else { return nil }
            return SecretHit(kind: .keyStore, what: "a Java key store with a private key")
        }
        guard self.bytes[0] == 0x30, self.bytes[1] & 0x80 != 0 else { return self.privateKey() }
        let content = 2 + Int(self.bytes[1] & 0x7f)
        guard content <= 5, self.bytes[content...].starts(with: [0x02, 0x01, 0x03]) else { return nil }
        return SecretHit(kind: .keyStore, what: "a key store (PKCS #12)")
    }

    /// A token whose form tells what it is.
    func token() -> SecretHit? {
        for form in TokenForm.all {
            for position in self.positions(of: form.start) where self.isToken(form, at: position) {
                return SecretHit(kind: .token, what: form.what, line: self.line(at: position))
            }
        }
        return nil
    }

    private func isToken(_ form: TokenForm, at position: Int) -> Bool {
        if position > 0, self.bytes[position - 1].isWord { return false }
        let rest = self.bytes[(position + form.start.utf8CodeUnitCount)...].prefix(512).prefix(while: form.holds)
        guard rest.count >= form.count, !form.isExact || rest.count == form.count else { return false }
        let text = String(decoding: rest, as: UTF8.self)
        return text.isVaried && text.isSecret
    }
}

/// How the tokens of some service look.
private struct TokenForm: Sendable {
    var start: StaticString
    /// The least number of characters that follow.
    var count: Int
    /// Whether no more may follow.
    var isExact = false
    /// Whether one of the characters is allowed after the start.
    var holds: @Sendable (UInt8) -> Bool = { $0.isWord }
    var what: String

    static let all: [TokenForm] = [
        TokenForm(start: "AKIA", count: 16, isExact: true, holds: { $0.isUpperOrDigit }, what: "an AWS access key"),
        TokenForm(start: "ASIA", count: 16, isExact: true, holds: { $0.isUpperOrDigit }, what: "an AWS access key"),
        TokenForm(start: "ghp_", count: 30, what: "a GitHub token"),
        TokenForm(start: "gho_", count: 30, what: "a GitHub token"),
        TokenForm(start: "ghu_", count: 30, what: "a GitHub token"),
        TokenForm(start: "ghs_", count: 30, what: "a GitHub token"),
        TokenForm(start: "ghr_", count: 30, what: "a GitHub token"),
        TokenForm(start: "github_pat_", count: 22, what: "a GitHub token"),
        TokenForm(start: "glpat-", count: 20, holds: { $0.isWordOrDash }, what: "a GitLab token"),
        TokenForm(start: "xoxb-", count: 16, holds: { $0.isWordOrDash }, what: "a Slack token"),
        TokenForm(start: "xoxp-", count: 16, holds: { $0.isWordOrDash }, what: "a Slack token"),
        TokenForm(start: "npm_", count: 36, isExact: true, what: "an npm token"),
        TokenForm(start: "pypi-AgE", count: 50, holds: { $0.isWordOrDash }, what: "a PyPI token"),
        TokenForm(start: "dckr_pat_", count: 20, holds: { $0.isWordOrDash }, what: "a Docker Hub token"),
        TokenForm(start: "rubygems_", count: 40, what: "a RubyGems token"),
        TokenForm(start: "sk_live_", count: 16, what: "a Stripe key"),
        TokenForm(start: "rk_live_", count: 16, what: "a Stripe key"),
        TokenForm(start: "hvs.", count: 24, holds: { $0.isWordOrDash }, what: "a Vault token"),
        TokenForm(start: "cch_", count: 30, what: "a Tarn token"),
    ]
}

extension String {
    /// Whether it has as many different characters as something random has, rather than `xxxx…`.
    fileprivate var isVaried: Bool { Set(self.utf8).count >= 6 }
}

extension UInt8 {
    fileprivate var isUpperOrDigit: Bool { (0x30...0x39).contains(self) || (0x41...0x5a).contains(self) }
    fileprivate var isWord: Bool { self.isUpperOrDigit || (0x61...0x7a).contains(self) || self == UInt8(ascii: "_") }
    fileprivate var isWordOrDash: Bool { self.isWord || self == UInt8(ascii: "-") }
    fileprivate var isBase64: Bool {
        self.isUpperOrDigit || (0x61...0x7a).contains(self) || [0x2b, 0x2f, 0x3d].contains(self)
    }
}

internal import CacheModel
package import Signatures

/// Where a client finds the keys that it signs with and trusts.
package enum KeyFiles {
    /// The key to sign with, if there is one.
    ///
    /// - Parameters:
    ///   - file: What `--sign-key` names; never the key itself, as flags can be seen by every process.
    ///   - environment: Its `TARN_SIGN_KEY` is the name of a file, or the key itself, as CI systems keep secrets.
    /// - Returns: `nil` if nothing is to be signed.
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` that does not repeat a key.
    package static func signingKey(
        _ file: String?,
        environment: [String: String] = ProcessFacts.environment()
    ) throws -> SigningKey? {
        if let file {
            guard !SigningKey.isKey(file) else {
                throw CacheError(
                    .invalidRequest,
                    "--sign-key names a file; every process can see flags, so give the key itself as TARN_SIGN_KEY"
                )
            }
            return try Self.signingKey(inFile: file)
        }
        guard let text = environment["TARN_SIGN_KEY"]?.trimmed, !text.isEmpty else { return nil }
        return SigningKey.isKey(text) ? try SigningKey(text: text) : try Self.signingKey(inFile: text)
    }

    private static func signingKey(inFile path: String) throws -> SigningKey {
        guard let text = try ProcessFacts.readText(path, limit: 4_096) else {
            throw CacheError(.invalidRequest, "there is no signing key \(path); cachectl sign-key create makes one")
        }
        do {
            return try SigningKey(text: text.trimmed)
        } catch {
            throw CacheError(.invalidRequest, "\(path): \(error)")
        }
    }

    /// The keys that are trusted.
    ///
    /// - Parameters:
    ///   - names: Each a key or a file of keys, with or without `tier:` in front of it.
    ///   - environment: Its `TARN_TRUSTED_KEYS` has more of them, with commas or white space between them.
    /// - Returns: All of them, in their order.
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` that names the file.
    package static func trusted(
        _ names: [String],
        environment: [String: String] = ProcessFacts.environment()
    ) throws -> [TrustedKey] {
        let more = environment["TARN_TRUSTED_KEYS"]?.split { $0 == "," || $0.isWhitespace }.map(String.init) ?? []
        return try (names + more).flatMap(Self.trusted)
    }

    private static func trusted(_ name: String) throws -> [TrustedKey] {
        let parts = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let hasTier = parts.count == 2 && !parts[0].isEmpty && !parts[0].contains("/")
        let tier = hasTier ? String(parts[0]) : nil
        let rest = hasTier ? String(parts[1]) : name
        if VerificationKey.isKey(rest) { return [TrustedKey(try VerificationKey(text: rest), tier: tier)] }
        guard let text = try ProcessFacts.readText(rest) else {
            throw CacheError(.invalidRequest, "there is no file \(rest) with keys to trust")
        }
        var keys: [TrustedKey] = []
        for line in text.split(whereSeparator: \.isNewline) where !line.trimmed.isEmpty && !line.hasPrefix("#") {
            let word = line.split(whereSeparator: \.isWhitespace).first ?? ""
            do {
                keys.append(TrustedKey(try VerificationKey(text: word), tier: tier))
            } catch {
                throw CacheError(.invalidRequest, "\(rest): \(error)")
            }
        }
        guard !keys.isEmpty else { throw CacheError(.invalidRequest, "\(rest) has no key to trust") }
        return keys
    }
}

extension StringProtocol {
    /// The text without white space around it.
    fileprivate var trimmed: String {
        let start = self.drop(while: \.isWhitespace)
        let end = start.lastIndex { !$0.isWhitespace }
        return end.map { String(start[...$0]) } ?? ""
    }
}

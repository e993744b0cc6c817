import ArgumentParser
import CacheModel
import CommandLineKit
import Foundation
import Signatures
import Testing

struct KeyFileTests {
    private let folder: TemporaryFolder
    private let key = SigningKey()

    init() throws { self.folder = try TemporaryFolder() }

    @Test func `a signing key comes from a file or from the variable, and never from a flag`() throws {
        try self.folder.write(self.key.text + "\n", to: "k")
        let file = "\(self.folder.path)/k"
        #expect(try KeyFiles.signingKey(file, environment: [:])?.text == self.key.text)
        for value in [file, self.key.text, " \(self.key.text)\n"] {
            #expect(try KeyFiles.signingKey(nil, environment: ["TARN_SIGN_KEY": value])?.text == self.key.text)
        }
        #expect(try KeyFiles.signingKey(nil, environment: [:]) == nil)
        #expect(try KeyFiles.signingKey(nil, environment: ["TARN_SIGN_KEY": ""]) == nil)
        let error = #expect(throws: CacheError.self) { try KeyFiles.signingKey(self.key.text, environment: [:]) }
        #expect(error?.message.contains(self.key.text) == false)
        #expect(throws: CacheError.self) { try KeyFiles.signingKey("/nowhere/key", environment: [:]) }
    }

    @Test func `trusted keys come from files and texts, with and without a tier`() throws {
        let (first, second) = (self.key.publicKey, SigningKey().publicKey)
        try self.folder.write("# ours\n\(first) release\n\n\(second)\n", to: "keys")
        let file = "\(self.folder.path)/keys"
        let both = try KeyFiles.trusted(["protected:\(file)"], environment: [:])
        #expect(both == [TrustedKey(first, tier: "protected"), TrustedKey(second, tier: "protected")])
        let mixed = try KeyFiles.trusted([file], environment: ["TARN_TRUSTED_KEYS": "main:\(first), \(second)"])
        #expect(mixed.map(\.tier) == [nil, nil, "main", nil])
        try self.folder.write("# nothing\n", to: "empty")
        for name in ["/nowhere", "\(self.folder.path)/empty", "tier:tarn-pk1-00"] {
            #expect(throws: CacheError.self) { try KeyFiles.trusted([name], environment: [:]) }
        }
    }

    @Test func `a policy that requires signatures without a key is refused`() throws {
        let options = try TrustOptions.parse(["--require-signature", "any", "--max-age", "7d"])
        #expect(throws: CacheError.self) { try options.policy(environment: [:]) }
        let policy = try options.policy(environment: ["TARN_TRUSTED_KEYS": "\(self.key.publicKey)"])
        #expect(policy.requirement == .anyKey && policy.keys.count == 1 && policy.maximumAge == .seconds(604_800))
        let variable = ["TARN_REQUIRE_SIGNATURE": "main", "TARN_TRUSTED_KEYS": "main:\(self.key.publicKey)"]
        #expect(try TrustOptions.parse([]).policy(environment: variable).requirement == .tier("main"))
        #expect(try TrustOptions.parse([]).policy(environment: [:]) == TrustPolicy())
        #expect(throws: (any Error).self) { try TrustOptions.parse(["--max-age", "soon"]) }
    }
}

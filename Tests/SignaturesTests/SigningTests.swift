import CacheModel
import LayerKernels
import Signatures
import Testing

struct SigningTests {
    private static let seed = String(repeating: "07", count: 32)

    private static func digest(_ text: String) -> Digest { SHA256.digest(of: Array(text.utf8)) }

    private static func layer(_ path: String = "venv") -> Layer {
        Layer(
            path: path,
            anchor: .workdir,
            treeDigest: self.digest("tree"),
            recipe: self.digest("recipe"),
            stamps: self.digest("stamps"),
            size: 1_024,
            memberCount: 3,
            chunkCount: 2
        )
    }

    private static func entry(signedWith key: SigningKey?, expires: Timestamp? = nil) throws -> Entry {
        var entry = Entry(
            id: 5,
            project: try ProjectName("acme/shop"),
            scope: try Scope("main"),
            key: try CacheKey("deps-1"),
            layers: [Self.layer()],
            provenance: Provenance(template: "deps-{{ .Branch }}"),
            createdAt: Timestamp(milliseconds: 1_000),
            lastUsedAt: Timestamp(milliseconds: 1_000)
        )
        entry.signature = try key.map { key in
            try SignedContent(entry).signed(
                with: key,
                at: Timestamp(milliseconds: 1_000),
                expiresAt: expires,
                producer: "circleci 12"
            )
        }
        return entry
    }

    @Test func `a key comes back from its text, and says nothing of itself elsewhere`() throws {
        let key = try SigningKey(text: "tarn-sk1-" + Self.seed)
        #expect(key.text == "tarn-sk1-" + Self.seed)
        #expect("\(key.publicKey)" == "tarn-pk1-ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c")
        #expect(!"\(key)".contains(Self.seed))
        #expect(try VerificationKey(text: "\(key.publicKey)") == key.publicKey)
        for text in ["", Self.seed, "tarn-sk1-", "tarn-sk1-" + Self.seed.dropLast(), "tarn-pk1-" + Self.seed] {
            let error = #expect(throws: CacheError.self) { try SigningKey(text: text) }
            #expect(error?.message.contains(Self.seed.dropLast()) == false)
        }
    }

    @Test func `the signature of an entry is the one of docs FORMAT`() throws {
        let entry = try Self.entry(signedWith: SigningKey(text: "tarn-sk1-" + Self.seed))
        #expect(
            "\(try #require(entry.signature).signature)"
                == "9d2085090428c4df86dd8ecab43e560277b5a32bbbca582ecc35e2eaabd1d288f86f6a0b8231bdb5e47d90bcfc346d937477f9d149a7b00254b9c91be6b62801"
        )
    }

    @Test func `a signature fits nothing but the entry that it was made for`() throws {
        let entry = try Self.entry(signedWith: SigningKey(), expires: Timestamp(milliseconds: 9_000))
        let signature = try #require(entry.signature)
        #expect(SignedContent(entry).isSigned(by: signature))
        let entryChanges: [(inout Entry) throws -> Void] = [
            { $0.project = try ProjectName("acme/shop2") },
            { $0.scope = .shared },
            { $0.key = try CacheKey("deps-2") },
            { $0.layers.append(Self.layer("b")) },
            { $0.layers = [] },
            { $0.layers[0].path = "ven" },
            { $0.layers[0].anchor = .home },
            { $0.layers[0].treeDigest = Self.digest("x") },
            { $0.layers[0].recipe = Self.digest("x") },
            { $0.layers[0].stamps = Self.digest("x") },
            { $0.layers[0].size += 1 },
            { $0.layers[0].memberCount += 1 },
            { $0.layers[0].chunkCount += 1 },
        ]
        for (index, change) in entryChanges.enumerated() {
            var other = entry
            try change(&other)
            #expect(!SignedContent(other).isSigned(by: signature), "change \(index)")
        }
        let signatureChanges: [(inout EntrySignature) -> Void] = [
            { $0.createdAt.milliseconds += 1 }, { $0.expiresAt = nil }, { $0.expiresAt?.milliseconds += 1 },
            { $0.producer = "circleci 13" }, { $0.key = SigningKey().publicKey.bytes },
            { $0.key = HexadecimalBytes([]) }, { $0.signature = HexadecimalBytes([]) },
        ]
        for (index, change) in signatureChanges.enumerated() {
            var other = signature
            change(&other)
            #expect(!SignedContent(entry).isSigned(by: other), "change \(index)")
        }
        for bit in 0..<512 {
            var other = signature
            other.signature.bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!SignedContent(entry).isSigned(by: other), "bit \(bit)")
        }
    }

    @Test func `the stored form of a signature comes back`() throws {
        for end in [nil, Timestamp(milliseconds: 9_000)] {
            let signature = try #require(try Self.entry(signedWith: SigningKey(), expires: end).signature)
            #expect(EntrySignature(packed: signature.packed) == signature)
            #expect(EntrySignature(packed: signature.packed.prefix(111)) == nil)
        }
    }

    @Test func `a policy tells what it objects to`() throws {
        let (release, other) = (SigningKey(), SigningKey())
        let project = try ProjectName("acme/shop")
        let entry = try Self.entry(signedWith: release, expires: Timestamp(milliseconds: 9_000))
        let trusted = [TrustedKey(release.publicKey, tier: "protected"), TrustedKey(other.publicKey)]
        func objection(
            _ requirement: TrustPolicy.Requirement,
            _ entry: Entry,
            keys: [TrustedKey] = trusted,
            key: String = "deps-",
            match: KeyPattern.Match = .prefix,
            age: Duration? = nil,
            at now: Int64 = 2_000
        ) throws -> String? {
            TrustPolicy(requirement: requirement, keys: keys, maximumAge: age).objection(
                to: entry,
                in: project,
                for: KeyPattern(try CacheKey(key), match: match),
                at: Timestamp(milliseconds: now)
            )
        }
        #expect(try objection(.anyKey, entry) == nil)
        #expect(try objection(.tier("protected"), entry) == nil)
        #expect(try objection(.none, Self.entry(signedWith: nil)) == nil)
        #expect(try objection(.anyKey, Self.entry(signedWith: nil))?.contains("not signed") == true)
        #expect(try objection(.tier("release"), entry)?.contains("tier protected") == true)
        #expect(try objection(.tier("protected"), Self.entry(signedWith: other))?.contains("of no tier") == true)
        #expect(try objection(.anyKey, Self.entry(signedWith: SigningKey()))?.contains("unknown key") == true)
        #expect(try objection(.anyKey, entry, keys: [])?.contains("unknown key") == true)
        // A server that answers with another entry, soundly signed.
        #expect(try objection(.anyKey, entry, key: "tools-")?.contains("not asked for") == true)
        #expect(try objection(.anyKey, entry, key: "deps-", match: .exact)?.contains("not asked for") == true)
        #expect(try objection(.anyKey, entry, age: .seconds(1)) == nil)
        #expect(try objection(.anyKey, entry, age: .milliseconds(999))?.contains("older") == true)
        #expect(try objection(.none, entry, age: .milliseconds(999))?.contains("older") == true)
        #expect(try objection(.anyKey, entry, at: 9_000)?.contains("expired") == true)
        var replayed = entry
        replayed.signature = try Self.entry(signedWith: release).signature
        replayed.layers[0].recipe = Self.digest("older")
        #expect(try objection(.anyKey, replayed)?.contains("not that of its content") == true)
    }

    @Test func `a receipt is made of a row, is always the same, and shows every change`() throws {
        let key = SigningKey()
        let event = AuditEvent(
            .saved,
            by: "alice",
            at: Timestamp(milliseconds: 7),
            project: "acme/shop",
            scope: "main",
            key: "deps-1",
            entry: 5,
            record: Self.digest("record"),
            bytes: 9
        )
        let row = AuditRow(event, after: .empty)
        let receipt = try #require(try Receipt(of: row, signedWith: key))
        #expect(receipt.isSigned(with: key.publicKey) && !receipt.isSigned(with: SigningKey().publicKey))
        #expect(try Receipt(of: row, signedWith: key) == receipt)
        #expect(receipt.concerns(try Self.entry(signedWith: nil)) && receipt.audit == row.head)
        let changes: [(inout Receipt) -> Void] = [
            { $0.entry += 1 }, { $0.project = "acme/shop2" }, { $0.scope = "" }, { $0.key = "deps-2" },
            { $0.actor = "bob" }, { $0.at.milliseconds += 1 }, { $0.record = Self.digest("x") },
            { $0.audit.sequence += 1 }, { $0.audit.hash = Self.digest("x") },
        ]
        for (index, change) in changes.enumerated() {
            var other = receipt
            change(&other)
            #expect(!other.isSigned(with: key.publicKey), "change \(index)")
        }
        var other = row
        other.event.action = .pinned
        #expect(try Receipt(of: other, signedWith: key) == nil)
    }
}

import CacheModel
import Testing

@testable import LayerFormat

struct RecordKeyTests {
    /// RFC 4231, test case 2; filling the key with zeros does not change an HMAC.
    @Test func `the seal is HMAC-SHA256`() throws {
        let secret = Array("Jefe".utf8) + [UInt8](repeating: 0, count: 28)
        let hex = secret.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let key = try RecordKey(hex: hex)
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        #expect("\(key.seal(Array("what do ya want for nothing?".utf8)))" == expected)
        #expect(key.hex == hex && !"\(key)".contains(hex))
        #expect(RecordKey() != RecordKey())
    }

    @Test func `a sealed record that was changed has no seal any more`() throws {
        let key = RecordKey()
        let record = EntryRecord(
            project: try ProjectName("acme/shop"),
            scope: .shared,
            key: try CacheKey("deps-main"),
            createdAt: Timestamp(milliseconds: 1_700_000_000_000),
            expiresAt: nil,
            layers: [],
            provenance: Provenance(template: "deps-main")
        )
        let bytes = try record.sealed(with: key)
        #expect(EntryRecord.isSealed(bytes, with: key))
        #expect(!EntryRecord.isSealed(bytes, with: RecordKey()))
        #expect(try EntryRecord(decoding: bytes) == record)
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1
            #expect(!EntryRecord.isSealed(changed, with: key))
        }
        #expect(!EntryRecord.isSealed(bytes + bytes.suffix(34), with: key))
        #expect(!EntryRecord.isSealed(Array(bytes.suffix(34)), with: key))
        #expect(!EntryRecord.isSealed([], with: key))
    }
}

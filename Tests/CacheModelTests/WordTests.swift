import CacheModel
import Testing

struct WordTests {
    @Test func `a digest is 64 lowercase hexadecimal digits`() throws {
        let text = String(repeating: "0123456789abcdef", count: 4)
        #expect(try Digest(hex: text).description == text)
        for wrong in [text.uppercased(), String(text.dropLast()), text + "0", "sha256:" + text] {
            #expect(throws: InvalidDigest.self) { try Digest(hex: wrong) }
        }
    }

    @Test func `digests are ordered as their text`() throws {
        let digests = try ["00", "0f", "10", "80", "ff"].map { try Digest(hex: String(repeating: $0, count: 32)) }
        #expect(digests == digests.shuffled().sorted())
    }

    @Test(arguments: ["", "a\nb", "a\u{1b}[31m", "\u{7f}"])
    func `a key without bytes or with control characters is refused`(text: String) {
        #expect(throws: InvalidKey.self) { try CacheKey(text) }
    }

    @Test func `a key may have exactly as many bytes as the limit`() throws {
        #expect(try CacheKey(String(repeating: "k", count: 900), limit: 900).text.count == 900)
        #expect(throws: InvalidKey.tooLong(901, limit: 900)) {
            try CacheKey(String(repeating: "k", count: 901), limit: 900)
        }
    }

    @Test(arguments: ["acme", "acme/shop/x", "/shop", "acme/", "../shop", "acme/..", "ac me/shop", "acme/sh%2Fop"])
    func `what is not owner and name is no project`(text: String) {
        #expect(throws: CacheError.self) { try ProjectName(text) }
    }

    @Test func `words that only look the same are different words`() throws {
        let (composed, decomposed) = ("branch/\u{e9}", "branch/e\u{301}")
        #expect(composed == decomposed)
        #expect(try Scope(composed) != Scope(decomposed))
        #expect(try CacheKey(composed) != CacheKey(decomposed))
        #expect(try Set([Scope(composed), Scope(decomposed), Scope(composed)]).count == 2)
    }

    @Test func `moments saturate instead of overflowing`() {
        #expect(Timestamp(milliseconds: .max) + .seconds(1) == Timestamp(milliseconds: .max))
        #expect((Timestamp(milliseconds: 0) + .seconds(Int64.max)).milliseconds == .max)
    }

    @Test func `small entries are only evicted once they hold more than their share`() {
        let policy = EvictionPolicy(budget: 1_000)
        #expect(policy.classToEvict(smallBytes: 50, largeBytes: 950, of: 1_000) == .large)
        #expect(policy.classToEvict(smallBytes: 500, largeBytes: 500, of: 1_000) == nil)
        #expect(policy.classToEvict(smallBytes: 1_000, largeBytes: 0, of: 1_000) == nil)
    }
}

import CacheModel
import Testing

@testable import AccessControl

@Suite struct TokenTextTests {
    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")

    @Test func `a new token can be read, and has the documented form`() throws {
        var seen: Set<String> = []
        for _ in 0..<200 {
            let token = TokenText.random()
            #expect(token.text.wholeMatch(of: /tarn_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}/) != nil)
            let read = try TokenText(token.text)
            #expect(read == token && read.digest == token.digest)
            #expect(seen.insert(token.text).inserted)
        }
    }

    @Test func `every single wrong, missing, doubled or swapped character is noticed`() throws {
        let text = Array(TokenText.random().text)
        for index in text.indices {
            for other in Self.alphabet where other != text[index] {
                var wrong = text
                wrong[index] = other
                #expect(throws: CredentialRefusal.self) { try TokenText(String(wrong)) }
            }
            var missing = text
            missing.remove(at: index)
            #expect(throws: CredentialRefusal.malformed) { try TokenText(String(missing)) }
            var doubled = text
            doubled.insert(text[index], at: index)
            #expect(throws: CredentialRefusal.malformed) { try TokenText(String(doubled)) }
            if index + 1 < text.count, text[index] != text[index + 1] {
                var swapped = text
                swapped.swapAt(index, index + 1)
                #expect(throws: CredentialRefusal.self) { try TokenText(String(swapped)) }
            }
        }
    }

    @Test(arguments: ["", "tarn_", "tarn___", "tarn_a_b_c", "Bearer x", "tarns_abc", "tarn_\u{0}", "tarn_é_é_é"])
    func `what is no token is malformed`(text: String) {
        #expect(throws: CredentialRefusal.malformed) { try TokenText(text) }
    }

    @Test func `the checksum is that of zlib`() {
        #expect(CRC32.checksum(of: "123456789".utf8) == 0xcbf4_3926)
        #expect(Base62.encode(.max, length: 6) == "4gfFC3")
        #expect(Base62.encode(61, length: 6) == "00000z")
    }
}

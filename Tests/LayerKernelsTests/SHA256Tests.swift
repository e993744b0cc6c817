import CacheModel
import LayerKernels
import Testing

struct SHA256Tests {
    @Test func `the standard's examples have the standard's digests`() {
        #expect(
            SHA256.digest(of: Array("abc".utf8)).description
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        )
        #expect(
            SHA256.digest(of: []).description == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        )
    }

    @Test func `a hasher can be used again after it has finished`() {
        var hasher = SHA256()
        Array("something else".utf8).withUnsafeBytes { hasher.update($0) }
        _ = hasher.finish()
        Array("a".utf8).withUnsafeBytes { hasher.update($0) }
        Array("bc".utf8).withUnsafeBytes { hasher.update($0) }
        #expect(hasher.finish() == SHA256.digest(of: Array("abc".utf8)))
    }
}

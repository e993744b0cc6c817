import CacheModel
import KeyTemplates
import Testing

struct KeyChecksumTests {
    @Test(arguments: [
        ("nightly-2018-07-18\n", "aWt1SBJau3sI1Ix2iCYSsQvxk8WUCz3k1FaUSTDBdBo="),
        ("", "47DEQpj8HBSa+_TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ])
    func `a checksum is CircleCI's`(content: String, checksum: String) throws {
        let folder = TemporaryFolder()
        folder.write("rust-toolchain", content)
        for name in ["rust-toolchain", "./rust-toolchain", "~/rust-toolchain", "\(folder.path)/rust-toolchain"] {
            let expanded = try KeyTemplate("{{ checksum \"\(name)\" }}").expand(in: folder.context())
            #expect(expanded.text == checksum)
        }
    }

    @Test func `a file of many pieces has the digest of the whole`() throws {
        let folder = TemporaryFolder()
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        folder.write("big", bytes)
        let expanded = try KeyTemplate(#"{{ checksum "big" }}"#).expand(in: folder.context())
        #expect(expanded.text == KeyChecksum.encode(KeyChecksum.digest(of: bytes)))
        #expect(expanded.files.map(\.text) == [nil])
    }

    @Test func `several files are combined whatever their order, and names count`() throws {
        let folder = TemporaryFolder()
        folder.write("a.txt", "1")
        folder.write("b/x.lock", "2")
        folder.write("b/y.lock", "3")
        func key(_ arguments: String) throws -> String {
            try KeyTemplate("{{ checksum \(arguments) }}").expand(in: folder.context()).text
        }
        let all = try key(#""a.txt" "b/*.lock""#)
        #expect(try key(#""b/y.lock" "b/x.lock" "a.txt" "./a.txt""#) == all)
        let digests = ["1", "2", "3"].map { KeyChecksum.digest(of: Array($0.utf8)) }
        let expected = KeyChecksum.combine([
            ("b/y.lock", digests[2]), ("a.txt", digests[0]), ("b/x.lock", digests[1]),
        ])
        #expect(all == KeyChecksum.encode(expected))
        #expect(KeyChecksum.combine([("other", digests[0])]) != KeyChecksum.combine([("a.txt", digests[0])]))
    }

    @Test func `the digest of several files can be computed by hand`() {
        // printf 'a\0' and the digest's bytes, or the bytes alone, into sha256sum.
        let empty = KeyChecksum.digest(of: [])
        let combined = "e720c786fd7d7ffcf7836e16b8a52548ec4a06a037211aa9ee4f4912fcce817e"
        let hashed = "5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456"
        #expect(KeyChecksum.combine([("a", empty)]).description == combined)
        #expect(KeyChecksum.hashFiles([("a", empty)]) == hashed)
    }

    @Test func `a glob that matches nothing is an error for checksum and empty for hashFiles`() throws {
        let folder = TemporaryFolder()
        #expect(throws: KeyTemplateError.self) {
            try KeyTemplate(#"{{ checksum "*.lock" }}"#).expand(in: folder.context())
        }
        let expanded = try KeyTemplate("v1-{{ hashFiles('*.lock') }}").expand(in: folder.context())
        #expect(expanded.text == "v1-")
        #expect(expanded.warnings.count == 1)
    }

    @Test func `a file whose name looks like a glob is itself`() throws {
        let folder = TemporaryFolder()
        folder.write("a[1].txt", "")
        folder.write("a1.txt", "1")
        let expanded = try KeyTemplate(#"{{ checksum "a[1].txt" }}"#).expand(in: folder.context())
        #expect(expanded.text == "47DEQpj8HBSa+_TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
    }

    @Test(arguments: [
        ("hashFiles('**/go.sum')", ["go.sum", "a/go.sum", "a/b/.c/go.sum"]),
        ("hashFiles(\"a/**\", '!**/x?.txt')", ["a/go.sum", "a/b/.c/go.sum"]),
        ("hashFiles \"a/x[0-4].txt\" `a/x[!0-4].txt`", ["a/x1.txt", "a/x7.txt"]),
        ("hashFiles('*')", ["go.sum"]),
    ])
    func `hashFiles takes files as its patterns say`(action: String, names: [String]) throws {
        let folder = TemporaryFolder()
        for name in ["go.sum", "a/go.sum", "a/b/.c/go.sum", "a/x1.txt", "a/x7.txt"] { folder.write(name, name) }
        let expanded = try KeyTemplate("{{ \(action) }}").expand(in: folder.context())
        #expect(expanded.files.map(\.path) == names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
        #expect(expanded.text.count == 64)
    }

    @Test(arguments: [
        ("x86_64", "processor\t: 0\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Xeon\n", "arch1-linux-amd64-6_85"),
        ("aarch64", "processor : 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "arch1-linux-arm64-0x41_0xd0c"),
        ("riscv64", "hart : 0\n", "arch1-linux-riscv64"),
    ])
    func `arch names system, processor and model`(machine: String, cpuInfo: String, value: String) {
        #expect(Architecture.describe(machine: machine, cpuInfo: cpuInfo) == value)
        #expect(Architecture.current().hasPrefix("arch1-linux-"))
    }
}

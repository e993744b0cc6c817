import Foundation
import Glibc
import LayerFiles
import LayerFormat
import Synchronization
import Testing

struct SecretScanTests {
    private let sandbox: Sandbox

    init() throws { self.sandbox = try Sandbox() }

    private func place(_ content: [UInt8], at path: String) throws {
        let file = URL(fileURLWithPath: "\(self.sandbox.path)/tree/\(path)")
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(content).write(to: file)
    }

    private func findings(_ path: String = "tree") throws -> [FoundSecret] {
        let tree = try TreeScanner(anchor: self.sandbox.path, path: path).scan()
        return try SecretScan.findings(in: tree, anchor: self.sandbox.path)
    }

    @Test(arguments: SecretCorpus.planted)
    func `a planted secret is found, named and not repeated`(planted: SecretCorpus.Planted) throws {
        try self.place(planted.content, at: planted.path)
        let findings = try self.findings()
        #expect(findings.map(\.kind.rawValue) == [planted.kind])
        #expect(findings.map(\.path) == ["\(self.sandbox.path)/tree/\(planted.path)"])
        #expect(!"\(findings)".contains(planted.secret))
    }

    @Test func `of all planted secrets in one tree all are found, each once`() throws {
        let all = SecretCorpus.planted
        #expect(all.count >= 30 && Set(all.map(\.path)).count == all.count)
        for planted in all { try self.place(planted.content, at: planted.path) }
        let found = try self.findings().map(\.path)
        #expect(Set(found).count == all.count && found.count == all.count)
    }

    @Test func `what only looks like a secret raises no alarm`() throws {
        for (path, content) in SecretCorpus.harmless { try self.place(Array(content.utf8), at: path) }
        #expect(try self.findings() == [])
    }

    @Test func `the line is the one with the secret`() throws {
        let secret = SecretCorpus.noise(40, 1)
        try self.place(Array("# a\nregistry=x\n\n//a.test/:_authToken=\(secret)\n".utf8), at: ".npmrc")
        #expect(try self.findings().map(\.line) == [4])
    }

    @Test func `a secret is found when it is all that is saved, and when its harmless name comes first`() throws {
        let key = Array(SecretCorpus.armored("OPENSSH", SecretCorpus.noise(64, 1)).utf8)
        try self.place(key, at: "a/data.bin")
        #expect(try self.findings() == [])
        try #require(link("\(self.sandbox.path)/tree/a/data.bin", "\(self.sandbox.path)/tree/id_rsa") == 0)
        #expect(try self.findings().map(\.path) == ["\(self.sandbox.path)/tree/id_rsa"])
        #expect(try self.findings("tree/id_rsa").map(\.kind) == [.privateKey])
    }

    @Test func `a symbolic link to a secret is none, as its target is not saved`() throws {
        try self.place([], at: "empty")
        try shell("ln -s /root/.ssh/id_rsa '\(self.sandbox.path)/tree/id_rsa'")
        #expect(try self.findings() == [])
    }

    @Test func `text of Windows is read, too`() throws {
        let text = "<add key=\"ClearTextPassword\" value=\"\(SecretCorpus.noise(20, 1))\" />"
        try self.place([0xff, 0xfe] + text.utf8.flatMap { [$0, 0] }, at: "nuget.config")
        #expect(try self.findings().map(\.kind) == [.registryLogin])
    }

    @Test func `only files whose names make them candidates are opened`() throws {
        for index in 0..<50 {
            let digest = SecretCorpus.noise(38, UInt64(index))
            for path in ["a\(index).py", "b\(index).so", "keys/\(index).js", "objects/\(digest)"] {
                try self.place(Array("text".utf8) + Array(repeating: 1, count: 2_000), at: path)
            }
        }
        try self.place(Array("registry=https://npm.acme.test/\n".utf8), at: ".npmrc")
        let source = CountingSource(tree: try TreeScanner(anchor: self.sandbox.path, path: "tree").scan())
        #expect(try SecretScan.findings(in: source, anchor: self.sandbox.path) == [])
        #expect(source.reads.withLock { $0 } == 1)
    }

    @Test func `damaged and cut files are no reason to stop`() throws {
        for planted in SecretCorpus.planted {
            for count in stride(from: 8, to: planted.content.count, by: 7) {
                try self.place(Array(planted.content.prefix(count)), at: "\(count)/\(planted.path)")
            }
        }
        _ = try self.findings()
    }
}

/// A tree that counts how often its files are read.
private final class CountingSource: LayerSource {
    let tree: ScannedTree
    let reads = Mutex(0)
    var members: MemberList { self.tree.members }
    var stamps: Stamps { self.tree.stamps }

    init(tree: ScannedTree) { self.tree = tree }

    func makeReader() throws -> any LayerReader { Reader(self) }

    private final class Reader: LayerReader {
        private let source: CountingSource
        private let reader: any LayerReader

        init(_ source: CountingSource) {
            self.source = source
            self.reader = source.tree.makeReader()
        }

        func readContent(ofMember index: Int, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Int
        {
            self.source.reads.withLock { $0 += 1 }
            return try self.reader.readContent(ofMember: index, at: offset, into: buffer)
        }
    }
}

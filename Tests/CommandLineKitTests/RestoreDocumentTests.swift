import ArgumentParser
import CacheModel
import Foundation
import NativeAPI
import Testing

@testable import CacheClient
@testable import restore_cache

struct RestoreDocumentTests {
    private func object(_ document: RestoreDocument) throws -> [String: Any] {
        let data = Data(try NativeJSON.encode(document))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    private func entry(_ key: String, build: String? = nil) throws -> Entry {
        let digest = try Digest(hex: String(repeating: "a", count: 64))
        let layer = Layer(
            path: "venv",
            anchor: .workdir,
            treeDigest: digest,
            recipe: digest,
            stamps: digest,
            size: 185_597_952,
            memberCount: 1,
            chunkCount: 1
        )
        return Entry(
            id: 1,
            project: try ProjectName("acme/shop"),
            scope: .shared,
            key: try CacheKey(key),
            layers: [layer],
            provenance: Provenance(template: key, build: build),
            createdAt: Timestamp(milliseconds: 0),
            lastUsedAt: Timestamp(milliseconds: 0)
        )
    }

    @Test func `a miss has all fields`() throws {
        let object = try self.object(RestoreDocument(RestoreResult(explanations: []), asked: try CacheKey("k")))
        #expect(
            Set(object.keys) == [
                "outcome", "key", "matchedKey", "exact", "bytesDownloaded", "chunksDownloaded", "chunksReused",
                "filesWritten", "filesKept", "seconds",
            ]
        )
        #expect(object["outcome"] as? String == "miss" && object["key"] as? String == "k")
        #expect(object["matchedKey"] is NSNull && object["exact"] as? Bool == false)
    }

    @Test func `a hit tells what was fetched and what was not`() throws {
        var result = RestoreResult(explanations: [])
        result.hit = RestoreResult.Hit(entry: try self.entry("k-1"), keyIndex: 0, isExact: false)
        result.chunksTotal = 10
        result.chunksDownloaded = 3
        result.bytesDownloaded = 4_096
        result.filesWritten = 2
        result.filesKept = 5
        result.filesReused = 1
        result.duration = .milliseconds(1_500)
        let object = try self.object(RestoreDocument(result, asked: try CacheKey("k-")))
        #expect(object["outcome"] as? String == "hit" && object["matchedKey"] as? String == "k-1")
        #expect(object["chunksReused"] as? Int == 7 && object["filesKept"] as? Int == 6)
        #expect(object["seconds"] as? Double == 1.5 && object["error"] == nil)
    }

    @Test func `a failure counts as a miss and says why`() throws {
        let object = try self.object(RestoreDocument(nil, asked: nil, error: "the server is down"))
        #expect(object["outcome"] as? String == "miss" && object["key"] is NSNull)
        #expect(object["error"] as? String == "the server is down")
    }

    @Test func `keys come with flags and without, in order`() throws {
        let command = try RestoreCache.parse(["--key", "a", "b", "--match", "exact", "--key", "c", "--require-hit"])
        #expect(command.key == ["a", "c"] && command.keys == ["b"])
        #expect(command.match == .exact && command.requireHit && !command.strict)
        #expect(throws: (any Error).self) { try RestoreCache.parse(["--match", "suffix", "k"]) }
    }

    @Test func `the help has examples and every exit status`() {
        let help = RestoreCache.helpMessage()
        #expect(help.contains("Examples:") && help.contains("Exit status:") && help.contains("TARN_URL"))
    }
}

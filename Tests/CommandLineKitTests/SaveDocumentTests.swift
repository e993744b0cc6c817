import ArgumentParser
import CacheModel
import Foundation
import NativeAPI
import Testing

@testable import CacheClient
@testable import save_cache

struct SaveDocumentTests {
    private func object(_ document: SaveDocument) throws -> [String: Any] {
        let data = Data(try NativeJSON.encode(document))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    private func result(_ outcome: SaveResult.Outcome) throws -> SaveResult {
        var result = SaveResult(key: try CacheKey("k"))
        let digest = try Digest(hex: String(repeating: "a", count: 64))
        result.outcome = outcome
        result.layers = [
            Layer(
                path: "venv",
                anchor: .workdir,
                treeDigest: digest,
                recipe: digest,
                stamps: digest,
                size: 42,
                memberCount: 1,
                chunkCount: 1
            )
        ]
        return result
    }

    @Test func `a save has all fields`() throws {
        let object = try self.object(SaveDocument(try self.result(.saved)))
        #expect(
            Set(object.keys) == [
                "outcome", "key", "bytesUploaded", "chunksUploaded", "chunksTotal", "layers", "seconds",
            ]
        )
        #expect(object["outcome"] as? String == "saved" && object["key"] as? String == "k")
        let layer = try #require((object["layers"] as? [[String: Any]])?.first)
        #expect(Set(layer.keys) == ["path", "treeDigest", "recipe", "size"])
        #expect(layer["size"] as? Int == 42)
    }

    @Test func `each outcome has its name`() throws {
        let entry = Entry(
            id: 1,
            project: try ProjectName("acme/shop"),
            scope: .shared,
            key: try CacheKey("k"),
            layers: [],
            provenance: Provenance(template: "k"),
            createdAt: Timestamp(milliseconds: 0),
            lastUsedAt: Timestamp(milliseconds: 0)
        )
        #expect(try self.object(SaveDocument(self.result(.known)))["outcome"] as? String == "known")
        let exists = try self.object(SaveDocument(self.result(.exists(entry, isSameContent: false))))
        #expect(exists["outcome"] as? String == "exists" && exists["sameContent"] as? Bool == false)
        let refused = try self.object(SaveDocument(refusedFor: "nothing"))
        #expect(refused["outcome"] as? String == "refused" && refused["reason"] as? String == "nothing")
        #expect(refused["key"] is NSNull)
    }

    @Test(arguments: [["--ttl", "soon"], ["--ttl", "7"], ["--level", "0"], ["--level", "20"], ["--unknown"]])
    func `wrong flags are refused`(flags: [String]) {
        #expect(throws: (any Error).self) { try SaveCache.parse(["--key", "k", "--path", "p"] + flags) }
    }

    @Test func `the help has examples and every exit status`() {
        let help = SaveCache.helpMessage()
        #expect(help.contains("Examples:") && help.contains("Exit status:") && help.contains("TARN_URL"))
    }
}

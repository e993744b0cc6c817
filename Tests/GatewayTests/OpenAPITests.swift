import CacheModel
import CacheService
import Foundation
import GatewayKit
import HTTPTypes
import Hummingbird
import LayerKernels
import NIOCore
import NativeAPI
import Signatures
import StorageInterface
import Testing

@testable import NativeGateway

@Suite struct OpenAPITests {
    private func document(_ server: TestServer) async throws -> [String: Any] {
        let answer = try await server.send("GET", "/v1/openapi.json")
        return try #require(try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any])
    }

    @Test func `every operation of the document is a route and names the parameters of its path`() async throws {
        try await TestServer.run { server in
            let document = try await self.document(server)
            let paths = try #require(document["paths"] as? [String: [String: [String: Any]]])
            #expect(paths.count > 20)
            for (path, operations) in paths {
                for (method, operation) in operations {
                    let concrete = path.replacing(/\{[a-z]+\}/, with: "0")
                    let answer = try await server.send(method.uppercased(), concrete)
                    let error = try? answer.message(ErrorResponse.self)
                    #expect(answer.status != 405, "\(method) \(path)")
                    #expect(error?.message.contains("no such path") != true, "\(method) \(path)")
                    let names = (operation["parameters"] as? [[String: Any]] ?? []).filter {
                        $0["in"] as? String == "path"
                    }
                    let templates = path.matches(of: /\{([a-z]+)\}/).map { String($0.1) }
                    #expect(Set(names.compactMap { $0["name"] as? String }) == Set(templates), "\(method) \(path)")
                }
            }
        }
    }

    @Test func `the document is valid OpenAPI`() async throws {
        try await TestServer.run { server in
            let answer = try await server.send("GET", "/v1/openapi.json")
            let file = NSTemporaryDirectory() + UUID().uuidString + ".json"
            defer { try? FileManager.default.removeItem(atPath: file) }
            try Data(answer.body).write(to: URL(fileURLWithPath: file))
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = [
                "python3", "-c",
                "import sys\ntry:\n import openapi_spec_validator as v\nexcept ImportError: sys.exit(0)\n"
                    + "import json\nv.validate(json.load(open(sys.argv[1])))",
                file,
            ]
            let code = try await withCheckedThrowingContinuation { continuation in
                process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
                do { try process.run() } catch { continuation.resume(throwing: error) }
            }
            #expect(code == 0)
        }
    }

    private static let token = TokenDescription(
        id: "i",
        name: "n",
        role: "job",
        projects: "*",
        scope: "shared",
        actions: [],
        createdAt: .current,
        expiresAt: .current,
        revokedAt: .current,
        lastUsedAt: .current
    )

    private static let principal = WhoAmIResponse(
        name: "n",
        tier: "main",
        rule: "R1",
        projects: "*",
        actions: [],
        project: try? ProjectName("a/b"),
        mode: "shared",
        scope: .shared,
        readChain: []
    )

    @Test func `every operation says whether it needs a credential, and four need none`() async throws {
        try await TestServer.run { server in
            let paths = try #require(try await self.document(server)["paths"] as? [String: [String: [String: Any]]])
            var open: Set<String> = []
            for (path, operations) in paths {
                for (method, operation) in operations {
                    let security = try #require(operation["security"] as? [Any], "\(method) \(path)")
                    let answers = try #require(operation["responses"] as? [String: Any])
                    #expect((answers["403"] == nil) == security.isEmpty)
                    // What is exchanged is a credential itself.
                    #expect((answers["401"] == nil) == (security.isEmpty && path != "/v1/auth/exchange"))
                    if security.isEmpty { open.insert(path) }
                }
            }
            #expect(open == ["/healthz", "/readyz", "/v1/auth/exchange", "/v1/openapi.json"])
        }
    }

    @Test func `messages have exactly the fields of their schemas`() throws {
        let digest = try Digest(hex: String(repeating: "ab", count: 32))
        let key = try CacheKey("k")
        let layer = Sample.absentLayer
        let provenance = Provenance(
            template: "t",
            parts: [.init(source: "s", value: "v", isLiteral: true)],
            files: [.init(path: "f", digest: digest, text: "t")],
            branch: "b",
            revision: "r",
            build: "1",
            system: "s",
            host: "h"
        )
        let moment = Timestamp(milliseconds: 1)
        let bytes = HexadecimalBytes([1])
        let signature = EntrySignature(
            key: bytes,
            signature: bytes,
            createdAt: moment,
            expiresAt: moment,
            producer: "p"
        )
        let event = AuditEvent(
            .saved,
            by: "a",
            at: moment,
            project: "a/b",
            scope: "s",
            key: "k",
            entry: 1,
            record: digest,
            bytes: 1,
            detail: "d"
        )
        let row = AuditRow(event, after: .empty)
        let receipt = try #require(try Receipt(of: row, signedWith: SigningKey()))
        let entry = Entry(
            id: 1,
            project: try ProjectName("a/b"),
            scope: .shared,
            key: key,
            layers: [layer],
            provenance: provenance,
            createdAt: moment,
            lastUsedAt: moment,
            expiresAt: moment,
            removal: Removal(at: moment, reason: .evicted),
            signature: signature
        )
        let explanation = MissExplanation(key: key, summary: "s", nearestKey: key, details: [])
        let samples: [(String, any Encodable)] = [
            ("Layer", layer), ("Provenance", provenance), ("Entry", entry), ("MissExplanation", explanation),
            ("ResolveRequest", ResolveRequest(keys: [], scope: .shared, isDryRun: true)),
            ("Pattern", ResolveRequest.Pattern(key: key, match: .exact, provenance: provenance)),
            (
                "ResolveResponse",
                ResolveResponse(entry: entry, keyIndex: 0, isExact: true, lease: "l", explanations: [explanation])
            ),
            (
                "CommitRequest",
                CommitRequest(
                    session: "s",
                    layers: [],
                    provenance: provenance,
                    scope: .shared,
                    ttlSeconds: 1,
                    replace: true,
                    signature: signature
                )
            ),
            (
                "CommitResponse",
                CommitResponse(outcome: .saved, entry: entry, isSameContent: true, receipt: receipt)
            ),
            ("EntrySignature", signature), ("Receipt", receipt), ("AuditRow", row), ("AuditHead", row.head),
            ("AuditPage", AuditPage(rows: [row], anchor: .empty, head: row.head)),
            ("ServerKeyResponse", ServerKeyResponse(key: bytes)),
            ("ChangeRequest", ChangeRequest(action: .pin, key: key, prefix: key, scope: .shared, isDryRun: true)),
            ("ChangeResponse", ChangeResponse(entries: [], undoUntil: moment)),
            ("EntriesResponse", EntriesResponse(entries: [], cursor: "c")),
            ("ErrorResponse", ErrorResponse(code: "c", message: "m", requestID: "r")),
            ("CollectResponse", CollectResponse(removedEntries: 0, deletedBlobs: 0, freedBytes: 0, storedBytes: 0)),
            ("SuspectsRequest", SuspectsRequest(digests: [])),
            ("SuspectsResponse", SuspectsResponse(damaged: 1)),
            ("ExchangeRequest", ExchangeRequest(token: "t")),
            (
                "ExchangeResponse",
                ExchangeResponse(token: "t", expiresAt: .current, project: entry.project, scope: .shared, tier: "main")
            ),
            (
                "MakeTokenRequest",
                MakeTokenRequest(name: "n", role: "job", projects: "*", scope: "s", actions: [], ttlSeconds: 1)
            ),
            ("TokenDescription", Self.token), ("TokensResponse", TokensResponse(tokens: [])),
            ("MakeTokenResponse", MakeTokenResponse(token: "t", description: Self.token)),
            ("WhoAmIResponse", Self.principal),
            (
                "Job",
                ExplainRequest.Job(
                    project: entry.project,
                    branch: "b",
                    tag: "t",
                    pullRequest: "1",
                    base: "b",
                    isFork: true,
                    isTrusted: true
                )
            ),
            (
                "ExplainRequest",
                ExplainRequest(
                    action: "read",
                    project: entry.project,
                    scope: .shared,
                    token: "t",
                    job: .init(project: entry.project),
                    claims: "{}",
                    issuer: "i"
                )
            ),
            (
                "ExplainResponse",
                ExplainResponse(isAllowed: true, rule: "R1", reason: "r", principal: Self.principal)
            ),
            ("CheckResponse", CheckResponse(checkedBlobs: 0, checkedBytes: 0, problems: [], repaired: 0)),
        ]
        for (name, sample) in samples {
            let data = Data(try NativeJSON.encode(sample))
            let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            let message = try #require(Message.all.first { $0.name == name })
            #expect(Set(object.keys) == Set(message.fields.map(\.name)), "\(name)")
        }
    }

    @Test func `ranges are parsed as RFC 9110 says`() {
        #expect(ByteRange.parse("bytes=0-0", size: 10) == .part(0..<1))
        #expect(ByteRange.parse("bytes=5-", size: 10) == .part(5..<10))
        #expect(ByteRange.parse("bytes=-3", size: 10) == .part(7..<10))
        #expect(ByteRange.parse("bytes=-30", size: 10) == .part(0..<10))
        #expect(ByteRange.parse("bytes=5-99", size: 10) == .part(5..<10))
        #expect(ByteRange.parse("bytes=10-", size: 10) == .unsatisfiable)
        #expect(ByteRange.parse("bytes=-0", size: 10) == .unsatisfiable)
        for text in [
            "bytes=7-3", "bytes=0-1,4-5", "items=0-1", "bytes=a-b", "bytes=--1", "bytes=0-99999999999999999999",
        ] {
            #expect(ByteRange.parse(text, size: 10) == .whole, "\(text)")
        }
    }

    @Test func `records are read from pieces of any size`() throws {
        let blobs = (1...3).map { [UInt8](repeating: UInt8($0), count: $0 * 50) }
        let body = blobs.flatMap { Sample.record($0) }
        for size in [1, 7, 44, 45, 1_000] {
            var parser = BlobRecordParser()
            var found: [[UInt8]] = []
            for start in stride(from: 0, to: body.count, by: size) {
                parser.append(ByteBuffer(bytes: body[start..<min(start + size, body.count)]))
                while let blob = try parser.next() { found.append(Array(blob.content.readableBytesView)) }
            }
            #expect(parser.isAtBoundary)
            #expect(found == blobs)
        }
        var cut = BlobRecordParser()
        cut.append(ByteBuffer(bytes: body.dropLast()))
        while try cut.next() != nil {}
        #expect(!cut.isAtBoundary)
    }
}

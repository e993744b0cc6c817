import CacheModel
import Foundation
import LayerKernels
import Testing

@testable import LayerFormat

struct LayerCodecTests {
    static let members = MemberList(sorting: [
        Member(path: Array("venv".utf8), kind: .directory, mode: 0o755),
        Member(path: Array("venv/bin".utf8), kind: .directory, mode: 0o700),
        Member(
            path: Array("venv/bin/python".utf8),
            kind: .symlink,
            mode: 0o777,
            target: Array("/usr/bin/python3".utf8)
        ),
        Member(path: Array("venv/a.pyc".utf8), kind: .file, mode: 0o644, size: 600_000),
        Member(path: Array("venv/b".utf8) + [0xff, 0x0a], kind: .file, mode: 0o600, size: 0),
        Member(path: Array("venv/c.pyc".utf8), kind: .hardlink, mode: 0, target: Array("venv/a.pyc".utf8)),
    ])

    static func recipe() -> Recipe {
        let chunk = ChunkReference(digest: SHA256.digest(of: [1]), size: 300_000)
        return Recipe(
            treeDigest: TreeDigest.digest(of: self.members, contentDigests: [SHA256.digest(of: []), chunk.digest]),
            streamSize: 600_000,
            chunks: [chunk, chunk],
            members: self.members,
            contentDigests: SHA256.digest(of: [2])
        )
    }

    @Test func `a recipe comes back as it was`() throws {
        let recipe = Self.recipe()
        #expect(try Recipe(decoding: recipe.encoded()) == recipe)
        try recipe.members.validate(root: "venv")
    }

    @Test func `encoding is deterministic`() throws {
        #expect(try Self.recipe().encoded() == Self.recipe().encoded())
    }

    @Test func `every truncation of a recipe is refused or gives members that fit together`() throws {
        let bytes = try Self.recipe().encoded()
        for length in 0..<bytes.count {
            #expect(throws: LayerFormatError.self) { try Recipe(decoding: Array(bytes[..<length])) }
        }
    }

    @Test func `flipped bytes never trap`() throws {
        let bytes = try Self.recipe().encoded()
        for position in bytes.indices {
            for mask: UInt8 in [0x01, 0x80, 0xff] {
                var damaged = bytes
                damaged[position] ^= mask
                if let recipe = try? Recipe(decoding: damaged) { try? recipe.members.validate(root: "venv") }
            }
        }
    }

    @Test func `files that are larger together than any stream can be are refused`() throws {
        let files = ["a", "b"].map { Member(path: Array($0.utf8), kind: .file, mode: 0o644, size: 1 << 50) }
        var recipe = Self.recipe()
        recipe.members = MemberList(sorting: files)
        let bytes = try recipe.encoded()
        #expect(throws: LayerFormatError.self) { try Recipe(decoding: bytes) }
    }

    @Test func `a small recipe cannot name gigabytes of paths`() {
        let count = MemberList.maximumPathBytes / Member.maximumPathLength + 1
        var message = Tarn_Layer_V1_MembersMessage()
        message.suffixes = Data(repeating: UInt8(ascii: "a"), count: Member.maximumPathLength)
        message.suffixSizes = [UInt32(Member.maximumPathLength)] + Array(repeating: 0, count: count - 1)
        message.sharedSizes = [0] + Array(repeating: UInt32(Member.maximumPathLength), count: count - 1)
        message.kinds = Data(repeating: MemberKind.directory.rawValue, count: count)
        message.modes = Array(repeating: 0o755, count: count)
        #expect(throws: LayerFormatError.self) { try MemberColumns(message).list() }
    }

    @Test func `stamps come back as they were`() throws {
        let file = try #require(Self.members.indices.first { Self.members.size(at: $0) > 0 })
        let stamps = Stamps(
            mtimes: [5, -1_500_000_000, .max, .min, 0, 1_700_000_000_123_456_789],
            pycStamps: [.init(member: file, value: 0xdead_beef)],
            sparseFiles: [.init(member: file, extents: [4_096..<8_192, 599_999..<600_000])]
        )
        #expect(try Stamps(decoding: stamps.encoded(), for: Self.members) == stamps)
    }

    @Test func `stamps of another layer are refused`() throws {
        let stamps = Stamps(mtimes: [1, 2])
        #expect(throws: LayerFormatError.self) { try Stamps(decoding: stamps.encoded(), for: Self.members) }
    }

    @Test func `a sparse map beyond the end of its file is refused`() throws {
        let file = try #require(Self.members.indices.first { Self.members.size(at: $0) > 0 })
        let stamps = Stamps(
            mtimes: [0, 0, 0, 0, 0, 0],
            sparseFiles: [.init(member: file, extents: [599_999..<600_001])]
        )
        #expect(throws: LayerFormatError.self) { try Stamps(decoding: stamps.encoded(), for: Self.members) }
    }

    @Test func `an entry record comes back as it was`() throws {
        let digest = SHA256.digest(of: [3])
        let record = EntryRecord(
            project: try ProjectName("acme/shop"),
            scope: .shared,
            key: try CacheKey("deps1-main-x+/="),
            createdAt: Timestamp(milliseconds: 1_700_000_000_000),
            expiresAt: nil,
            layers: [
                Layer(
                    path: "venv",
                    anchor: .workdir,
                    treeDigest: digest,
                    recipe: digest,
                    stamps: digest,
                    size: 9,
                    memberCount: 2,
                    chunkCount: 1
                )
            ],
            provenance: Provenance(
                template: "deps1-{{ .Branch }}",
                parts: [.init(source: ".Branch", value: "main", isLiteral: false)],
                files: [.init(path: "requirements.txt", digest: digest, text: nil)],
                branch: "main"
            )
        )
        #expect(try EntryRecord(decoding: record.encoded()) == record)
    }
}

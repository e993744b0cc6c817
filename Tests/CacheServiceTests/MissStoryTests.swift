import CacheModel
import LayerKernels
import StorageInterface
import Testing

@testable import CacheService

struct MissStoryTests {
    static func provenance(branch: String, requirements: String) -> Provenance {
        let digest = SHA256.digest(of: Array(requirements.utf8))
        return Provenance(
            template: #"deps-{{ .Branch }}-{{ checksum "requirements.txt" }}"#,
            parts: [
                .init(source: "deps-", value: "deps-", isLiteral: true),
                .init(source: ".Branch", value: branch, isLiteral: false),
                .init(source: "-", value: "-", isLiteral: true),
                .init(source: #"checksum "requirements.txt""#, value: "\(digest)", isLiteral: false),
            ],
            files: [.init(path: "requirements.txt", digest: digest, text: requirements)],
            branch: branch
        )
    }

    static func entry(_ id: Int64, _ provenance: Provenance) throws -> Entry {
        Entry(
            id: id,
            project: try ProjectName("acme/shop"),
            scope: .shared,
            key: try CacheKey(provenance.parts.map(\.value).joined()),
            layers: [],
            provenance: provenance,
            createdAt: Timestamp(milliseconds: 0),
            lastUsedAt: Timestamp(milliseconds: 0)
        )
    }

    @Test func `the nearest entry is the one with the most equal parts, and the differing line is shown`() throws {
        let asked = Self.provenance(branch: "main", requirements: "a==1\nb==2\nc==3\n")
        let story = MissStory.tell(
            key: try CacheKey("deps-main-x"),
            provenance: asked,
            history: [],
            relatives: [
                try Self.entry(1, Self.provenance(branch: "main", requirements: "a==1\nb==1\nc==3\n")),
                try Self.entry(2, Self.provenance(branch: "dev", requirements: "z")),
            ]
        )
        #expect(story.summary.contains("checksum \"requirements.txt\""))
        #expect(story.details.contains("requirements.txt: line 2: - b==1"))
        #expect(story.details.contains("requirements.txt: line 2: + b==2"))
        #expect(!story.details.contains { $0.contains("a==1") })
    }

    @Test func `a branch that never saved is told from one that did`() throws {
        let story = MissStory.tell(
            key: try CacheKey("deps-new-x"),
            provenance: Self.provenance(branch: "new", requirements: "a"),
            history: [],
            relatives: [try Self.entry(1, Self.provenance(branch: "main", requirements: "a"))]
        )
        #expect(story.summary.contains(".Branch is 'new', there it is 'main'"))
    }

    @Test func `an entry that was evicted is named with the time and the reason`() throws {
        let key = try CacheKey("deps-main-x")
        let story = MissStory.tell(
            key: key,
            provenance: nil,
            history: [
                HistoryEvent(
                    key: key,
                    scope: .shared,
                    kind: .removed(.evicted),
                    at: Timestamp(milliseconds: 0),
                    detail: "least recently used"
                )
            ],
            relatives: []
        )
        #expect(story.summary == "it was evicted at 1970-01-01 00:00:00 +0000 UTC (least recently used)")
    }

    @Test func `there is always a sentence`() throws {
        let story = MissStory.tell(key: try CacheKey("k"), provenance: nil, history: [], relatives: [])
        #expect(!story.summary.isEmpty)
    }
}

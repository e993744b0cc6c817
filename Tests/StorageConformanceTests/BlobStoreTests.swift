import CacheModel
import DiskBlobs
import Foundation
import LayerKernels
import NIOCore
import NIOPosix
import StorageInterface
import Testing

struct BlobStoreTests {
    @Test(arguments: StoreKind.allCases)
    func `what was put is read back in its stored form`(_ kind: StoreKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try await kind.make(in: directory)
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 9) }
        let blobs = [rawBlob(bytes), try frameBlob(bytes + [1]), rawBlob([]), rawBlob([5])]
        try await store.put(blobs)
        for blob in blobs {
            let stored = try await store.open(blob.digest)
            #expect(stored.encoding == blob.encoding)
            #expect(stored.storedSize == blob.storedSize)
            #expect(try stored.bytes == Array(blob.content.readableBytesView))
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `a blob in many pieces is stored as one`(_ kind: StoreKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try await kind.make(in: directory)
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 9) }
        let pieces = stride(from: 0, to: bytes.count, by: 131).map {
            ByteBuffer(bytes: bytes[$0..<min($0 + 131, bytes.count)])
        }
        let whole = rawBlob(bytes)
        let blob = NewBlob(digest: whole.digest, encoding: .raw, size: bytes.count, pieces: pieces + [ByteBuffer()])
        try await store.put([blob])
        #expect(try await store.open(blob.digest).bytes == bytes)
    }

    @Test(arguments: StoreKind.allCases)
    func `several blobs are opened in order, all or none`(_ kind: StoreKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try await kind.make(in: directory)
        let blobs = [rawBlob([1]), rawBlob([UInt8](repeating: 2, count: 100_000)), rawBlob([])]
        try await store.put(blobs)
        let wanted = [blobs[1], blobs[0], blobs[1], blobs[2]]
        let opened = try await store.open(wanted.map(\.digest))
        #expect(try opened.map { try $0.bytes } == wanted.map { Array($0.content.readableBytesView) })
        let error = try await #require(throws: CacheError.self) {
            try await store.open([blobs[0].digest, rawBlob([9]).digest])
        }
        #expect(error.code == .notFound)
    }

    @Test(arguments: StoreKind.allCases)
    func `what can be read without waiting is the start of the range`(_ kind: StoreKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try await kind.make(in: directory)
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 9) }
        try await store.put([rawBlob(bytes)])
        guard case .file(let file) = try await store.open(rawBlob(bytes).digest).content else { return }
        var buffer = ByteBuffer(bytes: [9])
        let count = try file.readCached(1_000..<150_000, into: &buffer)
        #expect(Array(buffer.readableBytesView) == [9] + bytes[1_000..<(1_000 + count)])
        #expect(throws: CacheError.self) { try file.readCached(0..<200_001, into: &buffer) }
    }

    @Test(arguments: StoreKind.allCases)
    func `a missing blob is reported before any byte`(_ kind: StoreKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try await kind.make(in: directory)
        let (there, gone) = (rawBlob([1]), rawBlob([2]))
        try await store.put([there])
        #expect(try await store.missing(from: [gone.digest, there.digest, gone.digest]) == [gone.digest, gone.digest])
        let error = try await #require(throws: CacheError.self) { try await store.open(gone.digest) }
        #expect(error.code == .notFound)
    }

    @Test(arguments: StoreKind.allCases)
    func `putting again changes nothing, deleting twice is no error`(_ kind: StoreKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try await kind.make(in: directory)
        let bytes = [UInt8](repeating: 3, count: 1_000)
        try await store.put([rawBlob(bytes), rawBlob(bytes)])
        try await store.put([try frameBlob(bytes)])
        #expect(try await store.open(SHA256.digest(of: bytes)).encoding == .raw)
        #expect(try await store.list(after: nil, limit: 10).count == 1)
        try await store.delete([SHA256.digest(of: bytes)])
        try await store.delete([SHA256.digest(of: bytes)])
        #expect(try await store.list(after: nil, limit: 10).isEmpty)
    }

    @Test(arguments: StoreKind.allCases)
    func `a blob in quarantine is missing, and can be put again`(_ kind: StoreKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try await kind.make(in: directory)
        let (damaged, other) = (rawBlob([1, 2, 3]), try frameBlob([4]))
        try await store.put([damaged, other])
        try await store.quarantine(damaged.digest, found: .scrub)
        try await store.quarantine(damaged.digest, found: .scrub)
        #expect(try await store.missing(from: [damaged.digest, other.digest]) == [damaged.digest])
        #expect(try await store.list(after: nil, limit: 10).map(\.digest) == [other.digest])
        try await store.put([damaged])
        #expect(try await store.open(damaged.digest).bytes == [1, 2, 3])
    }

    @Test func `a blob whose file vanished is remembered as damage by the next process`() async throws {
        let directory = try TemporaryDirectory()
        let store = try await DiskBlobStore(directory: directory.path, threads: .singleton)
        #expect(!store.hadDamage)
        for found in [Discovery.read, .read, .scrub] {
            try await store.quarantine(rawBlob([1, 2, 3]).digest, found: found)
        }
        #expect(directory.files(below: "quarantine") == ["missing.read", "missing.scrub"])
        #expect(try await DiskBlobStore(directory: directory.path, threads: .singleton).hadDamage)
        try await store.tidyQuarantine(keepingSince: .current + .seconds(60), atMost: 100)
        #expect(try await !DiskBlobStore(directory: directory.path, threads: .singleton).hadDamage)
    }

    @Test func `quarantine keeps the bytes for their owner only, for a time and up to a size`() async throws {
        let directory = try TemporaryDirectory()
        let store = try await DiskBlobStore(directory: directory.path, threads: .singleton)
        let blobs = [rawBlob([UInt8](repeating: 1, count: 500)), try frameBlob([UInt8](repeating: 2, count: 500))]
        try await store.put(blobs)
        for blob in blobs { try await store.quarantine(blob.digest, found: .read) }
        let names = ["\(blobs[0].digest).read", "\(blobs[1].digest).zst.read"]
        #expect(directory.files(below: "quarantine") == names.sorted())
        for name in names {
            let path = directory.path + "/quarantine/" + name
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
        // One of them has been here for some time.
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -600)],
            ofItemAtPath: directory.path + "/quarantine/" + names[0]
        )
        let now = Timestamp.current
        let left = try await store.tidyQuarantine(keepingSince: now + .seconds(-3_600), atMost: 1_000)
        #expect(left == 500 + blobs[1].storedSize)
        try await store.tidyQuarantine(keepingSince: now + .seconds(-3_600), atMost: 100)
        #expect(directory.files(below: "quarantine") == [names[1]])
        try await store.tidyQuarantine(keepingSince: now + .seconds(3_600), atMost: 100)
        #expect(directory.files(below: "quarantine").isEmpty)
    }

    @Test(arguments: StoreKind.allCases)
    func `what was opened stays readable after it is deleted`(_ kind: StoreKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try await kind.make(in: directory)
        let bytes = [UInt8](repeating: 9, count: 300_000)
        try await store.put([rawBlob(bytes)])
        let opened = try await store.open(SHA256.digest(of: bytes))
        try await store.delete([SHA256.digest(of: bytes)])
        #expect(try opened.bytes == bytes)
    }

    @Test(arguments: StoreKind.allCases)
    func `pages of a listing are in the order of digests and complete`(_ kind: StoreKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try await kind.make(in: directory)
        let blobs = (0..<300).map { rawBlob(Array("blob \($0)".utf8)) }
        try await store.put(blobs)
        var listed: [Digest] = []
        while case let page = try await store.list(after: listed.last, limit: 7), !page.isEmpty {
            #expect(page.count <= 7)
            listed += page.map(\.digest)
        }
        #expect(listed == blobs.map(\.digest).sorted())
    }

    @Test(arguments: StoreKind.allCases)
    func `a blob of another size than announced is refused and nothing is left`(_ kind: StoreKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try await kind.make(in: directory)
        var wrong = rawBlob([1, 2, 3])
        wrong.size = 4
        let refused = wrong
        let error = try await #require(throws: CacheError.self) { try await store.put([rawBlob([7, 7]), refused]) }
        #expect(error.code == .digestMismatch)
        #expect(try await store.missing(from: [refused.digest]) == [refused.digest])
        #expect(directory.files(below: "tmp").isEmpty)
    }

    @Test(arguments: StoreKind.allCases)
    func `many tasks may put the same blobs at once`(_ kind: StoreKind) async throws {
        let directory = try TemporaryDirectory()
        let store = try await kind.make(in: directory)
        let blobs = (0..<40).map { rawBlob(Array("shared \($0)".utf8)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { try await store.put(blobs.shuffled()) } }
            try await group.waitForAll()
        }
        #expect(try await store.list(after: nil, limit: 100).count == 40)
        #expect(directory.files(below: "tmp").isEmpty)
    }

    @Test func `bytes that are not what they are announced as never reach the store`() async throws {
        let directory = try TemporaryDirectory()
        let store = try await StoreKind.verifyingDisk.make(in: directory)
        var other = rawBlob([1, 2, 3])
        other.digest = digest("something else")
        var frame = try frameBlob([UInt8](repeating: 1, count: 5_000))
        frame.content.setInteger(UInt8(0xff), at: frame.content.writerIndex - 3)
        var larger = try frameBlob([UInt8](repeating: 1, count: 5_000))
        larger.size = 4_999
        var trailing = try frameBlob([4, 5, 6])
        trailing.content.writeInteger(UInt8(0))
        for bad in [other, frame, larger, trailing] {
            let error = try await #require(throws: CacheError.self) { try await store.put([rawBlob([8]), bad]) }
            #expect(error.code == .digestMismatch)
        }
        var huge = try frameBlob([1])
        huge.size = 65 * 1_048_576
        let refused = huge
        let error = try await #require(throws: CacheError.self) { try await store.put([refused]) }
        #expect(error.code == .invalidRequest)
        #expect(directory.files(below: "blobs").isEmpty)
    }

    @Test func `what an unfinished write left vanishes at the next start and is never visible`() async throws {
        let directory = try TemporaryDirectory()
        let kept = rawBlob([1])
        try await StoreKind.disk.make(in: directory).put([kept])
        let leftover = directory.path + "/tmp/17"
        try Data([1, 2]).write(to: URL(fileURLWithPath: leftover))
        let store = try await StoreKind.disk.make(in: directory)
        #expect(directory.files(below: "tmp").isEmpty)
        #expect(try await store.list(after: nil, limit: 10).map(\.digest) == [kept.digest])
    }

    @Test func `a file is named after its digest and its encoding`() async throws {
        let directory = try TemporaryDirectory()
        let store = try await StoreKind.disk.make(in: directory)
        let (raw, frame) = (rawBlob([1]), try frameBlob([2]))
        try await store.put([raw, frame])
        let paths = [(raw, ""), (frame, ".zst")].map { blob, suffix in
            let hex = "\(blob.digest)"
            return "\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex)\(suffix)"
        }
        #expect(directory.files(below: "blobs") == paths.sorted())
    }
}

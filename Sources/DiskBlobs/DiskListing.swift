internal import CLinux
internal import CacheModel
internal import Glibc
internal import StorageInterface

/// Walks the directories in the order of digests, from a cursor to a limit.
struct DiskListing: ~Copyable {
    private let layout: DiskLayout
    private let cursor: Digest?
    private let limit: Int
    private var found: [StoredBlobInfo] = []

    init(_ layout: DiskLayout, after cursor: Digest?, limit: Int) {
        self.layout = layout
        self.cursor = cursor
        self.limit = limit
    }

    mutating func run() throws -> [StoredBlobInfo] {
        let start = self.cursor.map(DiskLayout.directory(of:)) ?? 0
        for first in try Self.bytes(in: self.layout.blobs, "blobs") where UInt16(first) >= start >> 8 {
            let path = DiskLayout.hex(first)
            let parent = try DiskLayout.openDirectory(self.layout.blobs, path)
            defer { close(parent) }
            for second in try Self.bytes(in: parent, "blobs/\(path)") {
                let directory = UInt16(first) << 8 | UInt16(second)
                guard directory >= start else { continue }
                try self.list(directory)
                guard self.found.count < self.limit else { return Array(self.found.prefix(self.limit)) }
            }
        }
        return self.found
    }

    private mutating func list(_ number: UInt16) throws {
        let path = DiskLayout.path(of: number)
        let directory = try DiskLayout.openDirectory(self.layout.blobs, path)
        defer { close(directory) }
        var encodings: [Digest: BlobEncoding] = [:]
        for name in try DiskLayout.names(in: directory, "blobs/\(path)") {
            let isFrame = name.hasSuffix(DiskLayout.frameSuffix)
            let hex = isFrame ? name.dropLast(DiskLayout.frameSuffix.count) : name[...]
            // Whatever else a person put here is not a blob.
            guard let digest = try? Digest(hex: hex), DiskLayout.directory(of: digest) == number else { continue }
            if let cursor = self.cursor, digest <= cursor { continue }
            // A blob that raced into both forms counts once, in the form that is opened.
            if isFrame || encodings[digest] == nil { encodings[digest] = isFrame ? .zstd : .raw }
        }
        for (digest, encoding) in encodings.sorted(by: { $0.key < $1.key }) {
            var status = stat()
            let result = try DiskError.check("looking at blob \(digest)", tolerating: [ENOENT]) {
                fstatat(self.layout.blobs, DiskLayout.path(of: digest, encoding), &status, AT_SYMLINK_NOFOLLOW)
            }
            guard result == 0 else { continue }
            self.found.append(StoredBlobInfo(digest: digest, encoding: encoding, storedSize: Int(status.st_size)))
        }
    }

    private static func bytes(in directory: Int32, _ path: String) throws -> [UInt8] {
        try DiskLayout.names(in: directory, path)
            .compactMap { name in name.utf8.count == 2 ? UInt8(name, radix: 16) : nil }
            .sorted()
    }
}

import CacheModel
import Foundation
import Glibc
import LayerFiles
import LayerFormat
import LayerKernels
import Testing

/// A directory that is gone when the test is.
final class Sandbox: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/tarn-files-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SandboxError("mkdtemp: \(errno)") }
        self.path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { _ = try? run("chmod", "-R", "u+rwx", self.path); _ = try? run("rm", "-rf", self.path) }

    /// Creates a directory below it.
    func directory(_ name: String) throws -> String {
        try #require(mkdir("\(self.path)/\(name)", 0o755) == 0)
        return "\(self.path)/\(name)"
    }
}

struct SandboxError: Error { init(_ text: String) { print(text) } }

@discardableResult
func run(_ command: String..., input: String = "") throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    let (output, source) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardInput = source
    try process.run()
    source.fileHandleForWriting.write(Data(input.utf8))
    try source.fileHandleForWriting.close()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw SandboxError("\(command) failed: \(text)") }
    return text
}

@discardableResult
func shell(_ script: String) throws -> String { try run("bash", "-euc", script) }

func write(_ text: String, to path: String, mode: mode_t = 0o644) throws {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode)
    try #require(file >= 0)
    defer { close(file) }
    try #require(Glibc.write(file, text, text.utf8.count) == text.utf8.count)
}

/// Everything about a tree that a restore must bring back, one line for each name, found out by Python.
func snapshot(_ anchor: String, _ path: String) throws -> [Substring] {
    try run("python3", "-c", snapshotScript, anchor, path).split(separator: "\n")
}

/// The tree digest as docs/FORMAT.md describes it, computed by Python.
func independentTreeDigest(_ anchor: String, _ path: String) throws -> String {
    try run("python3", "-c", snapshotScript, anchor, path, "digest").trimmingCharacters(in: .newlines)
}

private let snapshotScript = #"""
    import os, stat, sys, hashlib
    entries = []
    def visit(fd, name, path):
        s = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISLNK(s.st_mode):
            entries.append((path, 'l', s, os.fsencode(os.readlink(name, dir_fd=fd)), None))
        elif stat.S_ISDIR(s.st_mode):
            entries.append((path, 'd', s, b'', None))
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
            for child in os.listdir(inner): visit(inner, child, path + b'/' + os.fsencode(child))
            os.close(inner)
        else:
            f = os.open(name, os.O_RDONLY, dir_fd=fd)
            data = os.read(f, 1 << 30)
            extents, at = [], 0
            while at < s.st_size:
                try: start = os.lseek(f, at, os.SEEK_DATA)
                except OSError: break
                at = os.lseek(f, start, os.SEEK_HOLE)
                extents.append((start, at))
            os.close(f)
            entries.append((path, 'f', s, data, extents))
    anchor, root = sys.argv[1], sys.argv[2]
    visit(os.open(anchor, os.O_RDONLY), root, os.fsencode(root))
    def extension(path):
        name = path.rsplit(b'/', 1)[-1]
        return name.rsplit(b'.', 1)[1] if b'.' in name[1:] and name.rfind(b'.') > 0 else b''
    entries.sort(key=lambda e: (0, b'', e[0]) if e[1] == 'd' else (1, extension(e[0]), e[0]))
    message, first = b'tarn-tree-1\n', {}
    for path, kind, s, data, extents in entries:
        mode, link = stat.S_IMODE(s.st_mode) & 0o777, b''
        if kind == 'f' and s.st_nlink > 1:
            link = first.setdefault((s.st_dev, s.st_ino), path)
        if len(sys.argv) == 3:
            text = data.hex() if kind == 'l' else hashlib.sha256(data).hexdigest()
            times = s.st_mtime_ns
            print(kind, oct(mode) if kind != 'l' else '-', times, s.st_size if kind == 'f' else '-', text, extents, path.hex(), link.hex())
        elif kind == 'd': message += b'd %04o %s\0' % (mode, path)
        elif kind == 'l': message += b'l %s\0%s\0' % (path, data)
        elif link and link != path: message += b'h %s\0%s\0' % (path, link)
        else:
            if path.endswith(b'.pyc') and len(data) >= 16 and data[2:4] == b'\r\n' and data[4:8] == bytes(4):
                data = data[:8] + bytes(4) + data[12:]
            message += b'f %04o %d %s %s\0' % (mode, len(data), hashlib.sha256(data).hexdigest().encode(), path)
    if len(sys.argv) > 3: print(hashlib.sha256(message).hexdigest())
    """#

/// A layer in memory: what a server would hold.
struct SavedLayer: Sendable {
    var recipe: Recipe
    var stamps: Stamps
    var contentDigests: [Digest]
    var chunks: [[UInt8]]

    /// Scans and streams a tree.
    init(_ anchor: String, _ path: String) throws {
        try self.init(TreeScanner(anchor: anchor, path: path).scan())
    }

    init(_ tree: ScannedTree) throws {
        let stream = try LayerStream(source: tree)
        var chunks: [[UInt8]] = []
        var offset = 0
        while let chunk = try stream.next() {
            #expect(chunk.offset == offset)
            offset += chunk.count
            chunks.append(chunk.withBytes { Array($0) })
        }
        self.init(
            members: tree.members,
            stamps: tree.stamps,
            contentDigests: tree.contentDigests,
            treeDigest: tree.treeDigest,
            chunks: chunks
        )
    }

    init(members: MemberList, stamps: Stamps, contentDigests: [Digest], treeDigest: Digest, chunks: [[UInt8]]) {
        self.recipe = Recipe(
            treeDigest: treeDigest,
            streamSize: chunks.reduce(0) { $0 + $1.count },
            chunks: chunks.map { ChunkReference(digest: SHA256.digest(of: $0), size: $0.count) },
            members: members,
            contentDigests: SHA256.digest(of: [])
        )
        self.stamps = stamps
        self.contentDigests = contentDigests
        self.chunks = chunks
    }

    /// A layer of members whose files contain nothing but zeros.
    init(zeros members: [Member]) {
        let list = MemberList(members)
        let zeros = [UInt8](repeating: 0, count: CanonicalTar.streamSize(of: list))
        let digests = members.filter { $0.kind == .file }.map { SHA256.digest(of: Array(repeating: 0, count: $0.size)) }
        self.init(
            members: list,
            stamps: Stamps(),
            contentDigests: digests,
            treeDigest: SHA256.digest(of: []),
            chunks: [zeros]
        )
    }

    func restorer(_ anchor: String, _ path: String, reusesFiles: Bool = true) throws -> TreeRestorer {
        try TreeRestorer(
            anchor: anchor,
            path: path,
            recipe: self.recipe,
            stamps: self.stamps,
            contentDigests: self.contentDigests,
            options: TreeRestorer.Options(reusesFiles: reusesFiles, threads: 2)
        )
    }

    /// Restores, chunks in a random order on three threads.
    @discardableResult
    func restore(_ anchor: String, _ path: String, reusesFiles: Bool = true) throws -> RestoreCounters {
        let restorer = try self.restorer(anchor, path, reusesFiles: reusesFiles)
        // The threads may let go of the restorer a moment later than this function.
        defer { restorer.abort() }
        let needed = try restorer.plan().neededChunks.shuffled()
        try restorer.prepare()
        try self.write(needed, to: restorer)
        return try restorer.finish()
    }

    func write(_ needed: [Int], to restorer: TreeRestorer) throws {
        let lanes = (0..<3).map { lane in needed.indices.filter { $0 % 3 == lane }.map { needed[$0] } }
        let errors = ErrorList()
        let threads = lanes.map { lane in
            let thread = Thread {
                do {
                    for chunk in lane {
                        try self.chunks[chunk].withUnsafeBytes { try restorer.write(chunk: chunk, $0) }
                    }
                } catch { errors.add(error) }
                errors.leave()
            }
            thread.start()
            return thread
        }
        for _ in threads { errors.wait() }
        if let error = errors.first { throw error }
    }
}

extension MemberList {
    /// A list in exactly this order, be it right or wrong.
    init(_ members: [Member]) {
        self.init()
        for member in members { self.append(member) }
    }
}

final class ErrorList: @unchecked Sendable {
    private let lock = NSLock()
    private let done = DispatchSemaphore(value: 0)
    private var errors: [any Error] = []
    var first: (any Error)? { self.lock.withLock { self.errors.first } }
    func add(_ error: any Error) { self.lock.withLock { self.errors.append(error) } }
    func leave() { self.done.signal() }
    func wait() { self.done.wait() }
}

/// The code and text of the error that `body` throws.
func treeError<Result>(_ body: () throws -> Result) -> TreeError? {
    do {
        _ = try body()
        return nil
    } catch { return error as? TreeError }
}

/// A tree with everything that is difficult: names, holes, links, modes, depth, times, and real `.pyc` files.
func makeDifficultTree(_ anchor: String) throws {
    try shell(
        #"""
        cd '\#(anchor)'; umask 022; mkdir -p tree/empty tree/sub/inner 'tree/with space' tree/py
        printf 'one\n' > 'tree/with space/a file'; printf x > $'tree/new\nline.txt'; printf y > $'tree/\xff\xfe.bin'
        printf z > "tree/$(printf 'n%.0s' {1..255})"; : > tree/empty.txt; : > tree/py/__init__.py
        head -c 5000000 /dev/urandom > tree/big.bin; head -c 300000 /dev/urandom > tree/sub/medium.bin
        for i in $(seq 1 300); do head -c $((i * 37)) /dev/urandom > tree/sub/inner/f$i.dat; done
        truncate -s 3M tree/holes.img; printf data | dd of=tree/holes.img bs=1 seek=1048576 conv=notrunc status=none
        truncate -s 1M tree/nothing.img; printf tail > tree/tail.img; truncate -s 700000 tree/tail.img
        ln -s ../nowhere tree/dangling; ln -s sub/inner tree/link; ln -s $'odd\n\xff' tree/sub/odd
        ln tree/sub/medium.bin tree/py/second; ln tree/sub/medium.bin tree/third.a
        chmod 755 tree/empty.txt; chmod 400 tree/sub/medium.bin; chmod 600 tree/big.bin; chmod 777 tree/sub/inner
        cd tree/py; for i in 1 2 3 4 5; do echo "x = $i" > m$i.py; done; python3 -m compileall -q .; cd ../..
        (d=$(printf 'd%.0s' {1..250}); cd tree; for i in $(seq 1 20); do mkdir $d; cd $d; echo $i > file; done)
        touch -h -d '2001-02-03 04:05:06.123456789' tree/dangling tree/big.bin tree/sub/inner/f1.dat
        touch -d '1969-12-31 23:59:58.5 UTC' tree/sub/inner/f2.dat
        chmod 555 tree/empty tree/sub; touch -d '2011-01-01 00:00:00.000000001' tree/sub tree/empty tree
        """#
    )
}

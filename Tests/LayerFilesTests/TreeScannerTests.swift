import CacheModel
import Glibc
@testable import LayerFiles
import LayerFormat
import LayerKernels
import Testing

struct TreeScannerTests {
    @Test func `a missing path is told apart from other errors`() throws {
        let sandbox = try Sandbox()
        for path in ["nothing", "no/thing"] {
            #expect(treeError { try TreeScanner(anchor: sandbox.path, path: path).scan() }?.code == .missing)
        }
        #expect(treeError { try TreeScanner(anchor: sandbox.path, path: "../x").scan() }?.code == .invalidLayer)
    }

    @Test func `a pipe is an error that names it, or skipped with a warning`() throws {
        let sandbox = try Sandbox()
        try shell("cd \(sandbox.path); mkdir t; echo 1 > t/a; mkfifo t/pipe")
        let error = treeError { try TreeScanner(anchor: sandbox.path, path: "t").scan() }
        #expect(error?.code == .specialFile)
        #expect(error?.description.contains("'t/pipe'") == true)
        let options = TreeScanner.Options(skipsSpecialFiles: true)
        let tree = try TreeScanner(anchor: sandbox.path, path: "t", options: options).scan()
        #expect(tree.members.count == 2)
        #expect(tree.warnings.count == 1)
    }

    @Test(.enabled(if: geteuid() != 0, "root can read everything"))
    func `an unreadable file is an error that names it`() throws {
        let sandbox = try Sandbox()
        try shell("cd \(sandbox.path); mkdir t; echo 1 > t/secret; chmod 0 t/secret")
        let error = treeError { try TreeScanner(anchor: sandbox.path, path: "t").scan() }
        #expect(error?.description == "cannot read 't/secret': Permission denied")
    }

    @Test func `a file that changes between scan and stream is an error that names it`() throws {
        let sandbox = try Sandbox()
        for change in ["echo more >> t/a", "touch t/a", "rm t/a", "rm t/a; ln -s b t/a", "truncate -s 1 t/a"] {
            try shell("cd \(sandbox.path); rm -rf t; mkdir t; echo 1234 > t/a; echo 2 > t/b; touch -d 2001-01-01 t/*")
            let tree = try TreeScanner(anchor: sandbox.path, path: "t").scan()
            try shell("cd \(sandbox.path); \(change)")
            let error = treeError { try SavedLayer(tree) }
            #expect(error?.code == .changed, "\(change)")
            #expect(error?.description.contains("'t/a' changed while it was being saved") == true, "\(change)")
        }
    }

    @Test func `one thread finds what many find`() throws {
        let sandbox = try Sandbox()
        try makeDifficultTree(sandbox.path)
        let trees = try [1, 2, 7].map {
            try TreeScanner(anchor: sandbox.path, path: "tree", options: TreeScanner.Options(threads: $0)).scan()
        }
        for tree in trees {
            #expect(tree.members == trees[0].members)
            #expect(tree.stamps == trees[0].stamps)
            #expect(tree.contentDigests == trees[0].contentDigests)
        }
        #expect(throws: Never.self) { try trees[0].members.validate(root: "tree") }
    }

    @Test func `the anchor itself can be saved, without what restores left behind`() throws {
        let sandbox = try Sandbox()
        try shell("cd \(sandbox.path); mkdir -p sub .venv.tarn-0123456789abcdef/x; echo 1 > sub/a; echo 2 > b")
        let tree = try TreeScanner(anchor: sandbox.path, path: ".").scan()
        #expect(tree.members.indices.map { tree.members[$0].displayPath } == ["sub", "b", "sub/a"])
    }

    @Test func `parents may be links that stay below the anchor, and no others`() throws {
        let sandbox = try Sandbox()
        try shell("cd \(sandbox.path); mkdir -p real/t; echo 1 > real/t/a; ln -s real inside; ln -s /usr outside")
        #expect(try TreeScanner(anchor: sandbox.path, path: "inside/t").scan().totalSize == 2)
        let error = treeError { try TreeScanner(anchor: sandbox.path, path: "outside/bin").scan() }
        #expect(error?.description.contains("leaves the anchor") == true)
    }
}

struct StatCacheTests {
    @Test func `a time with a fraction of a second is trusted after a tenth of one, a whole second after two`() {
        func isKept(changed: Int64, scanStart: Int64) -> Bool {
            let record = StatCache.Record(
                pathHash: 1,
                size: 1,
                modified: changed,
                changed: changed,
                inode: 1,
                digest: SHA256.digest(of: []),
                stamp: 0,
                hasStamp: 0
            )
            return StatCache([record], scanStart: scanStart).count == 1
        }
        let fraction: Int64 = 1_700_000_000_123_456_789
        #expect(!isKept(changed: fraction, scanStart: fraction + 99_999_999))
        #expect(isKept(changed: fraction, scanStart: fraction + 100_000_000))
        let whole: Int64 = 1_700_000_000_000_000_000
        #expect(!isKept(changed: whole, scanStart: whole + 1_999_999_999))
        #expect(isKept(changed: whole, scanStart: whole + 2_000_000_000))
    }

    @Test func `a tree that is remembered is not read again until a file of it changes`() throws {
        let sandbox = try Sandbox()
        let cache = try sandbox.directory("cache")
        let first = try TreeScanner.scan(anchor: "/usr/share", path: "doc/apt", remembering: cache)
        let second = try TreeScanner.scan(anchor: "/usr/share", path: "doc/apt", remembering: cache)
        #expect(first.hashedCount > 0)
        #expect(second.hashedCount == 0)
        #expect(second.treeDigest == first.treeDigest)
        #expect(try TreeScanner.scan(anchor: "/usr/share", path: "doc/apt", remembering: nil).hashedCount > 0)
    }

    @Test func `files changed just before a scan are not trusted`() throws {
        let sandbox = try Sandbox()
        try shell("mkdir \(sandbox.path)/t")
        var cache = StatCache()
        var elapsed = Duration.zero
        // Only a scan that came soon enough says something; on a busy machine it takes more than one to get there.
        repeat {
            let start = ContinuousClock.now
            try write("1", to: sandbox.path + "/t/a")
            try write("22", to: sandbox.path + "/t/b.txt")
            cache = try TreeScanner(anchor: sandbox.path, path: "t").scan().statCache
            elapsed = ContinuousClock.now - start
        } while elapsed > .milliseconds(80)
        let again = try TreeScanner(anchor: sandbox.path, path: "t", statCache: cache).scan()
        #expect(cache.count == 0)
        #expect(again.cachedCount == 0)
    }

    @Test func `an unchanged tree is not read, and a changed file is`() throws {
        let sandbox = try Sandbox()
        // Nothing here may have been changed in the last two seconds, so it has to be a tree of the system's.
        let first = try TreeScanner(anchor: "/usr/share", path: "doc/apt").scan()
        let cached = try TreeScanner(anchor: "/usr/share", path: "doc/apt", statCache: first.statCache).scan()
        #expect(first.hashedCount > 0)
        #expect(cached.hashedCount == 0)
        #expect(cached.cachedCount >= first.contentDigests.count)
        #expect(cached.treeDigest == first.treeDigest)
        #expect(cached.statCache.count == first.statCache.count)
        try first.statCache.save(to: sandbox.path, anchor: "/usr/share", path: "doc/apt")
        let loaded = StatCache.load(from: sandbox.path, anchor: "/usr/share", path: "doc/apt")
        #expect(loaded.count == first.statCache.count)
        #expect(try TreeScanner(anchor: "/usr/share", path: "doc/apt", statCache: loaded).scan().hashedCount == 0)
        #expect(StatCache.load(from: sandbox.path, anchor: "/usr/share", path: "doc").count == 0)
    }

    @Test func `a damaged cache is ignored`() throws {
        let sandbox = try Sandbox()
        let cache = try TreeScanner(anchor: "/usr/share", path: "doc/apt").scan().statCache
        try cache.save(to: sandbox.path, anchor: "/usr/share", path: "doc/apt")
        let size = 56 + 88 * cache.count + 32
        for position in [0, 9, 17, 30, 60, size - 1] {
            try shell(
                """
                cd \(sandbox.path); cp *.stat good; python3 -c 'import sys,glob; n=glob.glob("*.stat")[0]
                b=bytearray(open(n,"rb").read()); b[\(position) % len(b)]^=1; open(n,"wb").write(b)'
                """
            )
            #expect(StatCache.load(from: sandbox.path, anchor: "/usr/share", path: "doc/apt").count == 0)
            try shell("cd \(sandbox.path); mv good $(ls *.stat)")
        }
        try shell("cd \(sandbox.path); truncate -s -1 *.stat")
        #expect(StatCache.load(from: sandbox.path, anchor: "/usr/share", path: "doc/apt").count == 0)
    }
}

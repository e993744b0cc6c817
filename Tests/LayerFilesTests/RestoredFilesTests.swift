import CacheModel
import LayerFormat
import Testing

@testable import LayerFiles

/// What a restore leaves in the stat cache must save the reading, and never hide a change.
struct RestoredFilesTests {
    private static let makeTree = #"""
        mkdir -p saved/tree/py; cd saved
        for d in $(seq 5); do mkdir tree/d$d; for f in $(seq 20); do echo "$d $f" > tree/d$d/f$f.txt; done; done
        cd tree/py; for i in 1 2 3 4; do echo "x = $i" > m$i.py; done; python3 -m compileall -q .; cd ../..
        : > tree/empty; head -c 3000000 /dev/urandom > tree/big; chmod 400 tree/d1/f1.txt
        touch -h -d '2020-01-01 00:00:00.5' $(find tree); mkdir -p ../out
        """#

    @Test func `a restored tree is known without reading a file`() throws {
        let sandbox = try Sandbox()
        try shell("cd \(sandbox.path); \(Self.makeTree)")
        let layer = try SavedLayer("\(sandbox.path)/saved", "tree")
        let known = try layer.restoreAndLearn("\(sandbox.path)/out", "tree")
        let scan = try TreeScanner(anchor: "\(sandbox.path)/out", path: "tree", statCache: known).scan()
        #expect(scan.hashedCount == 0)
        #expect(scan.cachedCount == layer.contentDigests.count)
        #expect(scan.treeDigest == layer.recipe.treeDigest)
        #expect(scan.stamps == layer.stamps)
    }

    @Test(arguments: ["echo 1 9 > tree/d1/f2.txt", "sed -i s/x/y/ tree/py/m1.py", "mv tree/d2/f2.txt tree/d1/f2.txt"])
    func `a change after the restore is seen`(change: String) throws {
        let sandbox = try Sandbox()
        try shell("cd \(sandbox.path); \(Self.makeTree)")
        let layer = try SavedLayer("\(sandbox.path)/saved", "tree")
        let known = try layer.restoreAndLearn("\(sandbox.path)/out", "tree")
        try shell("cd \(sandbox.path)/out; \(change)")
        let scan = try TreeScanner(anchor: "\(sandbox.path)/out", path: "tree", statCache: known).scan()
        let fresh = try TreeScanner(anchor: "\(sandbox.path)/out", path: "tree").scan()
        #expect(scan.treeDigest == fresh.treeDigest)
        #expect(scan.treeDigest != layer.recipe.treeDigest)
    }

    @Test func `a tree that was amended is known as well`() throws {
        let sandbox = try Sandbox()
        try shell("cd \(sandbox.path); \(Self.makeTree)")
        try SavedLayer("\(sandbox.path)/saved", "tree").restore("\(sandbox.path)/out", "tree")
        try shell(
            """
            cd \(sandbox.path)/saved; echo new > tree/d3/f3.txt; rm tree/d4/f4.txt; touch -d 2021-01-01 tree/d3/f*.txt
            """
        )
        let layer = try SavedLayer("\(sandbox.path)/saved", "tree")
        let known = try layer.restoreAndLearn("\(sandbox.path)/out", "tree")
        let scan = try TreeScanner(anchor: "\(sandbox.path)/out", path: "tree", statCache: known).scan()
        #expect(scan.treeDigest == layer.recipe.treeDigest)
        #expect(known.count > 0)
        #expect(scan.hashedCount == layer.contentDigests.count - known.count)
    }

    @Test func `what a killed restore left is removed also where nothing has to be restored`() throws {
        let sandbox = try Sandbox()
        try shell("cd \(sandbox.path); \(Self.makeTree)")
        let layer = try SavedLayer("\(sandbox.path)/saved", "tree")
        try layer.restore("\(sandbox.path)/out", "tree")
        let name = String(decoding: StagingName.make(for: Array("tree".utf8)), as: UTF8.self)
        try shell("mkdir -p '\(sandbox.path)/out/\(name)/tree/d1'")
        let restorer = try layer.restorer("\(sandbox.path)/out", "tree")
        #expect(try restorer.plan().isAlreadyRight)
        restorer.removeLeftovers()
        #expect(try shell("ls -A '\(sandbox.path)/out'") == "tree\n")
    }

    @Test func `a file whose saved time is now is not trusted`() throws {
        let sandbox = try Sandbox()
        try shell("cd \(sandbox.path); \(Self.makeTree); touch -d '1 minute' tree/d5/f5.txt")
        let layer = try SavedLayer("\(sandbox.path)/saved", "tree")
        let known = try layer.restoreAndLearn("\(sandbox.path)/out", "tree")
        #expect(known.count == layer.contentDigests.count - 1)
    }
}

extension SavedLayer {
    fileprivate func restoreAndLearn(_ anchor: String, _ path: String) throws -> StatCache {
        let restorer = try self.restorer(anchor, path)
        defer { restorer.abort() }
        let needed = try restorer.plan().neededChunks
        try restorer.prepare()
        try self.write(needed, to: restorer)
        _ = try restorer.finish()
        return restorer.statCache
    }
}

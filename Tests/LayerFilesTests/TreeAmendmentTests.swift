import CacheModel
import Glibc
import Testing

@testable import LayerFiles

/// A tree of which little differs is amended, not built anew; what comes of it must not differ from what is built.
struct TreeAmendmentTests {
    /// 240 files in 13 directories, with `.pyc` files, links and odd modes, below `old`; copied to `new`.
    private static let makeTrees = #"""
        umask 022; mkdir -p old/tree/py; cd old
        for d in $(seq 12); do mkdir tree/d$d; for f in $(seq 20); do echo "$d $f" > tree/d$d/f$f.txt; done; done
        cd tree/py; for i in 1 2 3 4; do echo "x = $i" > m$i.py; done; python3 -m compileall -q .; cd ../..
        ln -s d1 tree/link; ln -s d2 tree/other; chmod 600 tree/d3/f1.txt; chmod 700 tree/d4
        touch -h -d '2020-01-01 00:00:00.5' $(find tree); cd ..; cp -a old new; cp -a old elsewhere; cd new
        """#

    @Test(arguments: [
        "echo other > tree/d5/f5.txt",
        "rm tree/d1/f1.txt tree/d2/f2.txt; rm -r tree/d12/f1*.txt",
        "rm -r tree/d12; echo d > tree/d12",
        "rm tree/d6/f6.txt; mkdir -p tree/d6/f6.txt/deep; echo x > tree/d6/f6.txt/deep/er; : > tree/d6/empty",
        "ln -sfn d3 tree/link; rm tree/other; echo file > tree/other; rm tree/d1/f1.txt; ln -s f2.txt tree/d1/f1.txt",
        "touch tree/d7/*.txt tree/d7; chmod 755 tree/d7/f1.txt; chmod 640 tree/d8/f1.txt; chmod 755 tree/d4",
        "touch tree/py/*.py; python3 -m compileall -q -f tree/py",
        "touch -h -d 2021-02-03 tree/link; mkdir tree/new; echo n > tree/new/n; chmod 500 tree/d9/f1.txt",
        "head -c 3000000 /dev/urandom > tree/d1/big; touch -d '2001-01-01 00:00:00.000000001' tree/d1 tree",
        "true",
    ])
    func `the old tree becomes exactly the new one`(change: String) throws {
        let sandbox = try Sandbox()
        try shell("cd \(sandbox.path); \(Self.makeTrees); \(change)")
        let untouched = try inode("\(sandbox.path)/old/tree/d10/f10.txt")
        let new = try SavedLayer("\(sandbox.path)/new", "tree")
        let counters = try new.restore("\(sandbox.path)/old", "tree")
        #expect(try snapshot("\(sandbox.path)/old", "tree") == snapshot("\(sandbox.path)/new", "tree"))
        #expect(try inode("\(sandbox.path)/old/tree/d10/f10.txt") == untouched)
        #expect(counters.filesKept + counters.filesReused + counters.filesWritten == new.contentDigests.count)
        #expect(try shell("ls -A \(sandbox.path)/old") == "tree\n")
    }

    @Test func `files that have other names are not changed under them, and hardlinks are built anew`() throws {
        let sandbox = try Sandbox()
        let link = "ln ../old/tree/d7/f7.txt ../elsewhere/a"
        try shell("cd \(sandbox.path); \(Self.makeTrees); touch tree/d7/f7.txt; \(link)")
        let before = try shell("stat -c '%y %a %i' \(sandbox.path)/elsewhere/a")
        try SavedLayer("\(sandbox.path)/new", "tree").restore("\(sandbox.path)/old", "tree")
        #expect(try snapshot("\(sandbox.path)/old", "tree") == snapshot("\(sandbox.path)/new", "tree"))
        #expect(try shell("stat -c '%y %a %i' \(sandbox.path)/elsewhere/a") == before)
        try shell("cd \(sandbox.path)/new; ln tree/d1/f1.txt tree/d2/again")
        try SavedLayer("\(sandbox.path)/new", "tree").restore("\(sandbox.path)/old", "tree")
        #expect(try snapshot("\(sandbox.path)/old", "tree") == snapshot("\(sandbox.path)/new", "tree"))
    }

    @Test func `until it is finished the old tree stands, and a restore that ends early leaves nothing`() throws {
        let sandbox = try Sandbox()
        try shell("cd \(sandbox.path); \(Self.makeTrees); echo other > tree/d5/f5.txt")
        let before = try snapshot("\(sandbox.path)/old", "tree")
        let new = try SavedLayer("\(sandbox.path)/new", "tree")
        let restorer = try new.restorer("\(sandbox.path)/old", "tree")
        let plan = try restorer.plan()
        try restorer.prepare()
        try new.write(plan.neededChunks, to: restorer)
        #expect(try snapshot("\(sandbox.path)/old", "tree") == before)
        restorer.abort()
        #expect(try snapshot("\(sandbox.path)/old", "tree") == before)
        #expect(try shell("ls -A \(sandbox.path)/old") == "tree\n")
    }

    @Test func `an amendment that fails leaves no tree instead of a mixture, and the next restore is whole`() throws {
        let sandbox = try Sandbox()
        try shell("cd \(sandbox.path); \(Self.makeTrees); rm tree/d1/f1.txt; touch tree/d5/f5.txt")
        let new = try SavedLayer("\(sandbox.path)/new", "tree")
        let restorer = try new.restorer("\(sandbox.path)/old", "tree")
        let plan = try restorer.plan()
        try restorer.prepare()
        try new.write(plan.neededChunks, to: restorer)
        // What has to be removed is gone already, as if somebody else worked in the tree.
        try shell("rm \(sandbox.path)/old/tree/d1/f1.txt")
        let error = treeError { try restorer.finish() }
        #expect(error?.description.contains("restore again") == true, "\(String(describing: error))")
        #expect(try shell("ls -A \(sandbox.path)/old") == "")
        try new.restore("\(sandbox.path)/old", "tree")
        #expect(try snapshot("\(sandbox.path)/old", "tree") == snapshot("\(sandbox.path)/new", "tree"))
    }

    private func inode(_ path: String) throws -> ino_t {
        var status = stat()
        try #require(lstat(path, &status) == 0)
        return status.st_ino
    }
}

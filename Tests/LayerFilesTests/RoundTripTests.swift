import CacheModel
import Glibc
import LayerFiles
import LayerFormat
import LayerKernels
import Testing

struct RoundTripTests {
    @Test func `a restored tree equals the saved one in everything`() throws {
        let sandbox = try Sandbox()
        let (source, target) = (try sandbox.directory("source"), try sandbox.directory("target"))
        try makeDifficultTree(source)
        let layer = try SavedLayer(source, "tree")
        let counters = try layer.restore(target, "tree")
        #expect(try snapshot(target, "tree") == snapshot(source, "tree"))
        #expect(counters.filesWritten == layer.contentDigests.count)
        #expect(try run("ls", "-A", target) == "tree\n")
    }

    @Test func `the tree digest is what Python computes from the description`() throws {
        let sandbox = try Sandbox()
        try makeDifficultTree(sandbox.path)
        let tree = try TreeScanner(anchor: sandbox.path, path: "tree").scan()
        #expect(try "\(tree.treeDigest)" == independentTreeDigest(sandbox.path, "tree"))
        #expect(tree.stamps.pycStamps.count == 6)
        #expect(tree.stamps.sparseFiles.count == 3)
    }

    @Test func `the chunks are the canonical tar and GNU tar unpacks it`() throws {
        let sandbox = try Sandbox()
        try shell("cd \(sandbox.path); mkdir -p t/s out; echo hello > t/s/a.txt; ln -s a.txt t/s/l; echo pad > t/b")
        let layer = try SavedLayer(sandbox.path, "t")
        #expect(layer.recipe.streamSize == CanonicalTar.streamSize(of: layer.recipe.members))
        let file = open("\(sandbox.path)/x.tar", O_WRONLY | O_CREAT, 0o644)
        for chunk in layer.chunks { #expect(Glibc.write(file, chunk, chunk.count) == chunk.count) }
        close(file)
        try shell("cd \(sandbox.path)/out; tar xf ../x.tar; diff -r ../t t")
    }

    @Test func `the same content with other times and stamps is the same layer`() throws {
        let sandbox = try Sandbox()
        let (one, two) = (try sandbox.directory("one"), try sandbox.directory("two"))
        for (anchor, day) in [(one, "2020-01-01"), (two, "2021-06-06")] {
            try shell(
                """
                cd \(anchor); mkdir -p venv/lib; for i in $(seq 1 40); do echo "y = $i" > venv/lib/m$i.py; done
                touch -d \(day) venv/lib/*.py; python3 -m compileall -q -s \(anchor) venv
                """
            )
        }
        let (first, second) = (try SavedLayer(one, "venv"), try SavedLayer(two, "venv"))
        #expect(first.recipe == second.recipe)
        #expect(first.stamps.pycStamps.count == 40)
        #expect(first.stamps.pycStamps != second.stamps.pycStamps)
        try second.restore(one, "venv")
        #expect(try snapshot(one, "venv") == snapshot(two, "venv"))
    }

    @Test func `a single file and a symbolic link are layers too`() throws {
        let sandbox = try Sandbox()
        let (source, target) = (try sandbox.directory("source"), try sandbox.directory("target"))
        try shell("cd \(source); mkdir -p a/b; head -c 3000000 /dev/urandom > a/b/app.tar; ln -s b a/link")
        for path in ["a/b/app.tar", "a/link"] {
            let layer = try SavedLayer(source, path)
            try layer.restore(target, path)
            try layer.restore(target, path)
            #expect(try snapshot(target, path) == snapshot(source, path))
        }
        #expect(try TreeScanner(anchor: source, path: "a/link").scan().warnings.count == 1)
    }

    @Test func `one chunk at several places is written at all of them`() throws {
        let sandbox = try Sandbox()
        let (source, target) = (try sandbox.directory("source"), try sandbox.directory("target"))
        try shell("cd \(source); mkdir t; head -c 9000000 /dev/zero | tr '\\\\0' x > t/same.bin")
        let layer = try SavedLayer(source, "t")
        #expect(Set(layer.recipe.chunks).count < layer.recipe.chunks.count)
        try layer.restore(target, "t")
        #expect(try snapshot(target, "t") == snapshot(source, "t"))
    }

    @Test func `every way to cut a pyc header gives the same stream`() throws {
        let sandbox = try Sandbox()
        try shell(
            "cd \(sandbox.path); mkdir t; for i in $(seq 1 200); do echo $i > t/a$i.py; done; python3 -m compileall -q t"
        )
        let tree = try TreeScanner(anchor: sandbox.path, path: "t").scan()
        // Windows of 4 and of 8 times the maximum split the stream, and so headers, at different places.
        let streams = try [ChunkCutter(averageSizeBits: 10, maximumSize: 1_031), ChunkCutter(averageSizeBits: 19)].map {
            let stream = try LayerStream(source: tree, cutter: $0)
            var bytes: [UInt8] = []
            while let chunk = try stream.next() { chunk.withBytes { bytes.append(contentsOf: $0) } }
            return bytes
        }
        #expect(streams[0] == streams[1])
        #expect(streams[0].count == CanonicalTar.streamSize(of: tree.members))
    }

    @Test func `a comparison names what was added, removed and changed`() throws {
        let sandbox = try Sandbox()
        try shell("cd \(sandbox.path); mkdir t; echo 1 > t/a; echo 2 > t/b; echo 3 > t/c")
        let old = try TreeScanner(anchor: sandbox.path, path: "t").scan()
        try shell("cd \(sandbox.path); echo 9 > t/a; rm t/b; echo 4 > t/d; touch -d 2001-01-01 t/c")
        let new = try TreeScanner(anchor: sandbox.path, path: "t").scan()
        let difference = TreeComparison(from: old.members, old.contentDigests, to: new.members, new.contentDigests)
        #expect(difference.added == [Array("t/d".utf8)])
        #expect(difference.removed == [Array("t/b".utf8)])
        #expect(difference.changed == [Array("t/a".utf8)])
        #expect(TreeComparison(from: old.members, old.contentDigests, to: old.members, old.contentDigests).isEmpty)
    }
}

import CacheModel
import Foundation
import Glibc
import LayerFiles
import LayerFormat
import LayerKernels
import Testing

struct TreeRestorerTests {
    @Test func `a target that is right is left alone`() throws {
        let sandbox = try Sandbox()
        let (source, target) = (try sandbox.directory("source"), try sandbox.directory("target"))
        try makeDifficultTree(source)
        let layer = try SavedLayer(source, "tree")
        try layer.restore(target, "tree")
        let plan = try layer.restorer(target, "tree").plan()
        #expect(plan.isAlreadyRight)
        #expect(plan.neededChunks.isEmpty)
        #expect(plan.filesToKeep == layer.contentDigests.count)
    }

    @Test(arguments: [
        "touch t/extra", "mkdir t/extra", "ln t/a t/second", "mkfifo t/pipe", "chmod 700 t/sub", "rm t/l; ln -s x t/l",
    ])
    func `any difference is noticed and repaired`(change: String) throws {
        let sandbox = try Sandbox()
        let (source, target) = (try sandbox.directory("source"), try sandbox.directory("target"))
        try shell("cd \(source); mkdir -p t/sub; echo 1 > t/a; echo 2 > t/sub/b; ln -s a t/l")
        let layer = try SavedLayer(source, "t")
        try layer.restore(target, "t")
        try shell("cd \(target); \(change)")
        #expect(try !layer.restorer(target, "t").plan().isAlreadyRight)
        let counters = try layer.restore(target, "t")
        #expect(counters.filesKept == 2)
        #expect(try snapshot(target, "t") == snapshot(source, "t"))
    }

    @Test func `only a changed file's chunks are needed and the others are linked`() throws {
        let sandbox = try Sandbox()
        let (source, target) = (try sandbox.directory("source"), try sandbox.directory("target"))
        try shell("cd \(source); mkdir t; for i in $(seq 1 30); do head -c 400000 /dev/urandom > t/f$i; done")
        let layer = try SavedLayer(source, "t")
        try layer.restore(target, "t")
        let inodes = try run("stat", "-c", "%i", "\(target)/t/f1")
        // Same size, same time, other content; and one whose time alone is wrong.
        try shell(
            "cd \(target)/t; touch -r f7 ../r; printf oops | dd of=f7 bs=1 seek=9 conv=notrunc status=none; touch -r ../r f7; rm ../r; touch f9"
        )
        let plan = try layer.restorer(target, "t").plan()
        #expect(plan.filesToWrite == 1)
        #expect(plan.filesToReuse == 1)
        #expect(plan.filesToKeep == 28)
        #expect((1...5).contains(plan.neededChunks.count))
        let counters = try layer.restore(target, "t")
        #expect(counters.filesWritten == 1)
        #expect(counters.filesKept == 28)
        #expect(counters.filesReused == 1)
        #expect(counters.bytesWritten == 400_000)
        #expect(try run("stat", "-c", "%i", "\(target)/t/f1") == inodes)
        #expect(try snapshot(target, "t") == snapshot(source, "t"))
    }

    @Test func `a restore that is dropped or fails leaves the old tree`() throws {
        let sandbox = try Sandbox()
        let (source, target) = (try sandbox.directory("source"), try sandbox.directory("target"))
        try shell("cd \(source); mkdir t; for i in 1 2 3 4; do head -c 2000000 /dev/urandom > t/f$i; done")
        try shell("cd \(target); mkdir t; echo old > t/old")
        let (layer, before) = (try SavedLayer(source, "t"), try snapshot(target, "t"))
        for ending in 0..<3 {
            let restorer = try layer.restorer(target, "t")
            try restorer.prepare()
            try layer.write([0, 2], to: restorer)
            #expect(try run("ls", "-A", target).contains(".t.tarn-"))
            if ending == 0 { #expect(treeError { try restorer.finish() }?.code == .incomplete) }
            if ending == 1 {
                let bad = treeError {
                    try [UInt8](repeating: 0, count: 3).withUnsafeBytes { try restorer.write(chunk: 1, $0) }
                }
                #expect(bad?.code == .incomplete)
                try #require(layer.chunks.count > 3)
                #expect(treeError { try layer.write([1], to: restorer) } != nil)
                #expect(treeError { try restorer.finish() } == bad)
            }
            restorer.abort()
            #expect(try run("ls", "-A", target) == "t\n")
            #expect(try snapshot(target, "t") == before)
        }
        try layer.restore(target, "t")
        #expect(try snapshot(target, "t") == snapshot(source, "t"))
    }

    @Test func `what a killed restore left is removed, what a running one has is not`() throws {
        let sandbox = try Sandbox()
        let (source, target) = (try sandbox.directory("source"), try sandbox.directory("target"))
        try shell("cd \(source); mkdir t; echo 1 > t/a")
        try shell(
            "cd \(target); mkdir -p .t.tarn-0123456789abcdef/t/x .t.tarn-mine .u.tarn-0123456789abcdef; chmod 0 .t.tarn-0123456789abcdef/t"
        )
        let layer = try SavedLayer(source, "t")
        let running = try layer.restorer(target, "t")
        let needed = try running.plan().neededChunks
        try running.prepare()
        try layer.restore(target, "t")
        try layer.write(needed, to: running)
        _ = try running.finish()
        #expect(try run("ls", "-A", target) == ".t.tarn-mine\n.u.tarn-0123456789abcdef\nt\n")
        #expect(try snapshot(target, "t") == snapshot(source, "t"))
    }

    @Test func `the anchor is restored in place and keeps other names`() throws {
        let sandbox = try Sandbox()
        let (source, target) = (try sandbox.directory("source"), try sandbox.directory("target"))
        try shell("cd \(source); mkdir -p sub; echo 1 > sub/a; echo 2 > b")
        try shell("cd \(target); mkdir -p sub other; echo x > sub/old; echo mine > other/file")
        let layer = try SavedLayer(source, ".")
        try layer.restore(target, ".")
        #expect(try run("ls", "-A", target, "\(target)/sub") == "\(target):\nb\nother\nsub\n\n\(target)/sub:\na\n")
        #expect(try snapshot(target, "sub") == snapshot(source, "sub"))
        #expect(try layer.restorer(target, ".").plan().isAlreadyRight)
    }

    @Test func `missing parents are created and a link at the target is replaced, not followed`() throws {
        let sandbox = try Sandbox()
        let (source, target) = (try sandbox.directory("source"), try sandbox.directory("target"))
        try shell("cd \(source); mkdir -p a/b/t; echo 1 > a/b/t/f; mkdir \(target)/elsewhere")
        let layer = try SavedLayer(source, "a/b/t")
        try layer.restore(target, "a/b/t")
        try shell("cd \(target)/a/b; rm -r t; ln -s ../../elsewhere t")
        try layer.restore(target, "a/b/t")
        #expect(try snapshot(target, "a/b/t") == snapshot(source, "a/b/t"))
        #expect(try run("ls", "-A", "\(target)/elsewhere") == "")
    }

    @Test func `without digests or reuse everything is written`() throws {
        let sandbox = try Sandbox()
        let (source, target) = (try sandbox.directory("source"), try sandbox.directory("target"))
        try shell("cd \(source); mkdir t; echo 1 > t/a; : > t/empty")
        var layer = try SavedLayer(source, "t")
        try layer.restore(target, "t")
        #expect(try layer.restore(target, "t", reusesFiles: false).filesWritten == 2)
        layer.contentDigests = []
        #expect(try layer.restore(target, "t").filesWritten == 2)
        #expect(try snapshot(target, "t") == snapshot(source, "t"))
    }

    @Test(.enabled(if: geteuid() == 0, "only root can mount a small disk"))
    func `a full disk is told and the old tree stays`() throws {
        let sandbox = try Sandbox()
        let (source, target) = (try sandbox.directory("source"), try sandbox.directory("target"))
        try shell("cd \(source); mkdir t; head -c 6000000 /dev/urandom > t/big")
        let layer = try SavedLayer(source, "t")
        try shell("mount -t tmpfs -o size=3m none \(target); mkdir \(target)/t; echo old > \(target)/t/old")
        defer { _ = try? shell("umount \(target)") }
        let error = treeError { try layer.restore(target, "t") }
        #expect(error?.code == .noSpace)
        #expect(error?.description == "cannot write 't/big': No space left on device; the target is as it was")
        #expect(try run("ls", "-A", target, "\(target)/t") == "\(target):\nt\n\n\(target)/t:\nold\n")
    }

    @Test(.enabled(if: geteuid() == 0, "only root can mount"))
    func `a mount point is filled in place`() throws {
        let sandbox = try Sandbox()
        let (source, target) = (try sandbox.directory("source"), try sandbox.directory("target"))
        try shell("cd \(source); mkdir -p t/sub; echo 1 > t/a; echo 2 > t/sub/b; chmod 750 t; mkdir \(target)/t")
        try shell("mount -t tmpfs none \(target)/t; echo old > \(target)/t/a; mkdir \(target)/t/lost+found")
        defer { _ = try? shell("umount \(target)/t") }
        let layer = try SavedLayer(source, "t")
        #expect(try layer.restore(target, "t").filesWritten == 2)
        #expect(try run("ls", "-A", "\(target)/t") == "a\nlost+found\nsub\n")
        #expect(try layer.restorer(target, "t").plan().isAlreadyRight)
        try shell("rmdir \(target)/t/lost+found; touch -r \(source)/t \(target)/t")
        #expect(try snapshot(target, "t") == snapshot(source, "t"))
    }
}

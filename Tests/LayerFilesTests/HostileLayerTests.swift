import CacheModel
import Foundation
import Glibc
import LayerFiles
import LayerFormat
import Testing

struct HostileLayerTests {
    private static func member(_ path: String, _ kind: MemberKind, size: Int = 0, target: String = "") -> Member {
        Member(path: Array(path.utf8), kind: kind, mode: 0o755, size: size, target: Array(target.utf8))
    }

    private static let root = Self.member("t", .directory)

    static let hostile: [[Member]] = [
        [Self.root, Self.member("t/../../evil", .file, size: 1)],
        [Self.root, Self.member("/etc/evil", .file, size: 1)],
        [Self.root, Self.member("t//evil", .file, size: 1)],
        [Self.root, Self.member("t/./evil", .file, size: 1)],
        [Self.root, Self.member("evil", .file, size: 1)],
        [Self.root, Self.member("t/missing/evil", .file, size: 1)],
        [Self.root, Self.member("t/l", .symlink, target: "../.."), Self.member("t/l/evil", .file, size: 1)],
        [Self.root, Self.member("t/f", .file, size: 1), Self.member("t/f", .file, size: 1)],
        [Self.root, Self.member("t/h", .hardlink, target: "../outside")],
        [Self.root, Self.member("t/h", .hardlink, target: "/etc/hostname")],
        [Self.root, Self.member("t/l", .symlink, target: "x"), Self.member("t/m", .hardlink, target: "t/l")],
        [Self.root, Self.member("t/z", .file, size: 1), Self.member("t/a", .file, size: 1)],
        [Self.root, Self.member("t/f", .file, size: -1)],
        [Self.root, Self.member("t/\(String(repeating: "n", count: 256))", .file, size: 1)],
        [Self.member("t", .symlink, target: "/tmp"), Self.member("t/evil", .file, size: 1)],
    ]

    @Test(arguments: Self.hostile.indices)
    func `a hostile list is refused before anything is written`(index: Int) throws {
        let sandbox = try Sandbox()
        let target = try sandbox.directory("target")
        var members = Self.hostile[index]
        for position in members.indices where members[position].size < 0 { members[position].size = 0 }
        var layer = SavedLayer(zeros: members)
        layer.recipe.members = MemberList(Self.hostile[index])
        layer.contentDigests = []
        #expect(treeError { try layer.restore(target, "t") }?.code == .invalidLayer)
        #expect(try run("ls", "-A", target, sandbox.path) == "\(sandbox.path):\ntarget\n\n\(target):\n")
    }

    @Test func `sizes that do not add up are refused`() throws {
        let sandbox = try Sandbox()
        let huge = (0..<9_000).map { Self.member("t/\($0 + 10_000)", .file, size: 1 << 50) }
        var layer = SavedLayer(zeros: [Self.root, Self.member("t/f", .file, size: 5_000)])
        for members in [[Self.root], [Self.root] + huge] {
            layer.recipe.members = MemberList(members)
            layer.contentDigests = []
            #expect(treeError { try layer.restorer(sandbox.path, "t") }?.code == .invalidLayer)
        }
    }

    @Test func `links that stand in the old tree are neither followed nor written through`() throws {
        let sandbox = try Sandbox()
        let (target, outside) = (try sandbox.directory("target"), try sandbox.directory("outside"))
        try shell("cd \(target); mkdir t; ln -s ../../outside t/sub; echo safe > ../outside/f; ln ../outside/f t/g")
        let members = [
            Self.root, Self.member("t/sub", .directory), Self.member("t/g", .file, size: 5),
            Self.member("t/sub/f", .file, size: 5),
        ]
        try SavedLayer(zeros: members).restore(target, "t")
        #expect(try run("ls", "-A", outside) == "f\n")
        #expect(try run("cat", "\(outside)/f") == "safe\n")
        let kinds = try run("stat", "-c", "%F", "\(target)/t/sub", "\(target)/t/sub/f", "\(target)/t/g")
        #expect(kinds == "directory\nregular file\nregular file\n")
    }

    @Test func `a parent that leaves the anchor is refused`() throws {
        let sandbox = try Sandbox()
        let (target, outside) = (try sandbox.directory("target"), try sandbox.directory("outside"))
        try shell("ln -s \(outside) \(target)/a")
        let layer = SavedLayer(zeros: [Self.member("a/t", .directory), Self.member("a/t/f", .file, size: 5)])
        #expect(treeError { try layer.restore(target, "a/t") } != nil)
        #expect(try run("ls", "-A", outside) == "")
    }

    @Test func `directories that turn into links during restores change nothing outside`() throws {
        let sandbox = try Sandbox()
        let (source, target) = (try sandbox.directory("source"), try sandbox.directory("target"))
        let outside = try sandbox.directory("outside")
        try shell(
            "cd \(source); mkdir -p t/sub; for i in 1 2 3; do echo $i > t/sub/f$i; cp -p t/sub/f$i ../outside; done"
        )
        try shell(
            "cd \(outside); echo secret > f2; touch -r \(source)/t/sub/f2 f2; echo 7 > f1; touch -r ../source/t/sub/f1 f1"
        )
        let (layer, before) = (try SavedLayer(source, "t"), try snapshot(sandbox.path, "outside").dropFirst())
        try layer.restore(target, "t")
        let attacker = Attacker(directory: "\(target)/t/sub", link: outside)
        var done = 0
        for _ in 0..<1_000 where treeError({ try layer.restore(target, "t") }) == nil {
            done += 1
        }
        let flips = attacker.stop()
        try layer.restore(target, "t")
        #expect(done > 0 && flips > 0)
        #expect(try snapshot(target, "t") == snapshot(source, "t"))
        #expect(try snapshot(sandbox.path, "outside").dropFirst() == before)
    }
}

/// A thread that turns a directory into a link and back as fast as it can.
private final class Attacker: @unchecked Sendable {
    private let lock = NSLock()
    private var isStopped = false
    private var flips = 0
    private let done = DispatchSemaphore(value: 0)

    init(directory: String, link: String) {
        Thread {
            while !self.lock.withLock({ self.isStopped }) {
                if rename(directory, directory + ".aside") == 0 {
                    symlink(link, directory)
                    unlink(directory)
                    rename(directory + ".aside", directory)
                    self.lock.withLock { self.flips += 1 }
                }
            }
            self.done.signal()
        }.start()
    }

    func stop() -> Int {
        self.lock.withLock { self.isStopped = true }
        self.done.wait()
        return self.flips
    }
}

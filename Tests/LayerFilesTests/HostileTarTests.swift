import Foundation
import LayerFiles
import LayerFormat
import Testing

struct HostileTarTests {
    @Test func `every hostile archive is refused with a clear message or gives safe members`() throws {
        let scratch = try TarScratch()
        try scratch.run("mkdir corpus spool && python3 $CORPORA/hostile-tars.py corpus")
        let names = try scratch.lines("ls corpus")
        #expect(names.count >= 130)
        for name in names {
            let result = Result { try scratch.spool("corpus/\(name)") }
            switch result {
            case .success(let tree):
                #expect(name.contains("-accept-"), "\(name) was accepted")
                #expect(throws: Never.self, "\(name)") { try tree.members.validate(root: tree.rootPath) }
                for index in tree.members.indices { _ = try tree.content(of: index) }
            case .failure(let error as TarError):
                #expect(name.contains("-refuse-"), "\(name) was refused: \(error)")
                #expect(!error.problem.isEmpty)
                #expect(error.description.count < 1_000)
                #expect(!error.description.contains("\n"), "\(name): \(error)")
            case .failure(let error): Issue.record("\(name): no TarError but \(error)")
            }
        }
        // Nothing was extracted: the directory holds what was put there and no more.
        #expect(try scratch.lines("ls corpus") == names)
        #expect(try scratch.lines("ls") == ["corpus", "spool"])
        #expect(try scratch.run("find . -name '.tarn-spool*'").isEmpty)
    }

    @Test(arguments: ["t.tar", "t.tar.gz", "t.tar.zst"])
    func `an archive cut off anywhere is refused or ends at a member`(name: String) throws {
        let scratch = try TarScratch()
        try scratch.run(
            "printf hello > a && printf world > b && tar -H posix -cf t.tar a b && gzip -k t.tar && zstd -q t.tar"
        )
        let bytes = try scratch.contents(of: name)
        let whole = try scratch.spool(name).members
        for end in stride(from: 1, to: bytes.count, by: bytes.count > 1_000 ? 97 : 1) {
            try Data(bytes[..<end]).write(to: URL(fileURLWithPath: "\(scratch.path)/cut"))
            do {
                let members = try scratch.spool("cut", pieces: 333).members
                #expect(name == "t.tar" && members.count <= whole.count)
            } catch let error as TarError {
                #expect(!error.description.isEmpty)
            }
        }
    }

    @Test func `one flipped bit never crashes the reader nor gives an unsafe list`() throws {
        let scratch = try TarScratch()
        try scratch.run(
            "mkdir tree && python3 $TOOLS make tree && rm -rf tree/large.bin && tar -H posix -S -C tree -cf t.tar ."
        )
        let bytes = try scratch.contents(of: "t.tar")
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            var damaged = bytes
            damaged[Int.random(in: damaged.indices, using: &generator)] ^=
                1 << UInt8.random(in: 0..<8, using: &generator)
            let spool = try TarSpool(directory: scratch.path, spoolLimit: 64 << 20)
            try damaged.withUnsafeBytes { try spool.write($0) }
            do {
                let tree = try spool.finish()
                try tree.members.validate(root: tree.rootPath)
            } catch let error as TarError {
                #expect(!error.problem.isEmpty)
            }
        }
    }

    @Test func `limits on members, sizes and spool are kept`() throws {
        let scratch = try TarScratch()
        try scratch.run("mkdir d && printf 12345 > d/a && printf 12345 > d/b && tar -cf t.tar d/a d/b")
        #expect(try scratch.spool("t.tar", limits: TarLimits(members: 3, totalSize: 10)).members.count == 3)
        #expect(throws: TarError.self) { try scratch.spool("t.tar", limits: TarLimits(members: 2)) }
        #expect(throws: TarError.self) { try scratch.spool("t.tar", limits: TarLimits(totalSize: 9)) }
        #expect(throws: TarError.self) { try scratch.spool("t.tar", limits: TarLimits(pathBytes: 6)) }
        let spool = try TarSpool(directory: scratch.path, spoolLimit: 1_000)
        let bytes = try scratch.contents(of: "t.tar")
        #expect(throws: TarError.self) { try bytes.withUnsafeBytes { try spool.write($0) } }
    }

    @Test func `an error names the byte and the member`() throws {
        let scratch = try TarScratch()
        try scratch.run("printf x > a && mkfifo pipe && tar -cf t.tar a pipe")
        let error = #expect(throws: TarError.self) { try scratch.spool("t.tar") }
        #expect(error?.offset == 1_024)
        #expect(error?.member == Array("pipe".utf8))
        #expect(error?.description.contains("member 'pipe' is refused at byte 1024: it is a named pipe") == true)
    }
}

import ArgumentParser
import CacheModel
import Testing

@testable import cachectl

struct ArgumentTests {
    @Test func `a star at the end makes a prefix`() throws {
        #expect(try KeyArgument("pr-42-*") == .prefix(try CacheKey("pr-42-")))
        #expect(try KeyArgument("a*b") == .key(try CacheKey("a*b")))
        #expect(try KeyArgument("plain") == .key(try CacheKey("plain")))
    }

    @Test func `an escaped star belongs to the key`() throws {
        #expect(try KeyArgument("odd\\*") == .key(try CacheKey("odd*")))
        #expect(try KeyArgument("\\*") == .key(try CacheKey("*")))
        #expect(try KeyArgument("odd**") == .prefix(try CacheKey("odd*")))
    }

    @Test func `a bare star is everything`() throws { #expect(try KeyArgument("*") == .everything) }

    @Test(arguments: ["", "a\u{1b}b", "a\nb*"])
    func `text that is no key is refused`(text: String) {
        #expect(throws: InvalidKey.self) { try KeyArgument(text) }
    }

    @Test func `removing everything needs a flag of its own`() throws {
        #expect(throws: (any Error).self) { try RemoveCommand.parse([]) }
        #expect(try RemoveCommand.parse(["*"]).all == false)
        #expect(try RemoveCommand.parse(["--all", "*"]).all)
    }

    @Test func `a command after two dashes keeps its own flags`() throws {
        let run = try RunCommand.parse(["--key", "k", "--path", "a", "--path", "b", "--", "ls", "--json", "--", "-x"])
        #expect(run.path == ["a", "b"])
        #expect(run.command == ["ls", "--json", "--", "-x"])
        #expect(!run.options.json)
    }

    @Test func `the suffix says how an export is compressed`() {
        let forms = ["a.tar.zst", "a.tzst", "a.tar.gz", "a.tgz", "a.tar", "a.zip", "tar"].map(TarForm.init(suffixOf:))
        #expect(forms == [.zst, .zst, .gz, .gz, .tar, nil, nil])
    }

    @Test func `errors end in the documented status`() throws {
        let codes: [(CacheError.Code, CommandStatus)] = [
            (.notFound, .notFound), (.unavailable, .failure), (.forbidden, .notAuthorized), (.corrupt, .failure),
        ]
        for (code, status) in codes { #expect(CommandStatus(for: CacheError(code, "x")) == status) }
        #expect(CommandStatus(for: InvalidKey.empty) == .usage)
        #expect(CommandStatus(for: CommandFailure(.partial)) == .partial)
    }
}

import ArgumentParser
import CacheModel
import CommandLineKit
import Foundation
import JobContext
import NativeAPI
import Synchronization
import Testing

@testable import CacheClient

struct StepSourceTests {
    private let folder: TemporaryFolder

    init() throws { self.folder = try TemporaryFolder() }

    private func read(_ text: String, _ kind: CacheStep.Kind) throws -> CacheStep? {
        try self.folder.write(text, to: "step.yml")
        return try StepSource.read("\(self.folder.path)/step.yml", kind: kind, hasKeys: false)
    }

    @Test func `a step file gives keys and paths`() throws {
        let restore = try self.read("- restore_cache:\n    keys:\n      - a-{{ .Branch }}\n      - a-\n", .restore)
        #expect(restore?.keys.map(\.template) == ["a-{{ .Branch }}", "a-"])
        let save = try self.read(
            "save_cache:\n  name: Save\n  key: k\n  when: always\n  paths: [venv, ~/.npm]\n",
            .save
        )
        #expect(save?.paths == ["venv", "~/.npm"] && save?.when == .always)
    }

    @Test func `the wrong step is sent to the right command, with file and line`() throws {
        let error = #expect(throws: CacheError.self) {
            try self.read("save_cache:\n  key: k\n  paths: [a]\n", .restore)
        }
        let message = try #require(error).message
        #expect(message.contains("step.yml, line 1") && message.contains("save_cache"))
    }

    @Test func `a file that is not there is named`() throws {
        let error = #expect(throws: CacheError.self) {
            try StepSource.read("/nowhere/s.yml", kind: .save, hasKeys: false)
        }
        #expect(error?.message == "there is no step file /nowhere/s.yml")
    }

    @Test func `keys as flags leave the standard input alone`() throws {
        #expect(try StepSource.read(nil, kind: .restore, hasKeys: true) == nil)
    }
}

struct JobExitTests {
    @Test func `errors end in the documented status`() {
        let unreachable = CacheError(.unavailable, "cannot reach it", cause: UnreachableServer())
        #expect(JobExit(for: unreachable) == .unreachable)
        #expect(JobExit(for: CacheError(.forbidden, "no")) == .notAuthorized)
        #expect(JobExit(for: CancellationError()) == .interrupted)
        #expect(JobExit(for: CacheError(.unavailable, "busy")) == .failure)
        #expect(JobExit(for: CacheError(.corrupt, "damaged")) == .failure)
    }

    @Test func `the help names every status`() {
        for status: JobExit in [.done, .failure, .usage, .miss, .unreachable, .notAuthorized, .interrupted] {
            #expect(JobExit.manual.split(separator: "\n").contains { $0.hasPrefix("  \(status.rawValue) ") })
        }
    }

    @Test func `a server that cannot be reached is told once`() {
        let error = CacheError(.unavailable, "cannot reach it", cause: UnreachableServer())
        #expect(JobExit.describe(error) == "cannot reach it")
        #expect(JobExit.describe(CacheError(.corrupt, "a", cause: CacheError(.notFound, "b"))) == "a: b")
    }
}

@Suite(.serialized)
struct InterruptionTests {
    @Test(arguments: [SIGINT, SIGTERM])
    func `the first signal is an order to stop, not the end`(number: Int32) async {
        let interruption = Interruption()
        let (signals, noted) = AsyncStream<Void>.makeStream()
        interruption.onSignal { noted.yield() }
        kill(getpid(), number)
        for await _ in signals { break }
        signal(SIGINT, SIG_DFL)
        signal(SIGTERM, SIG_DFL)
    }

    @Test func `a signal that was ignored at the start stays ignored`() {
        signal(SIGINT, SIG_IGN)
        let interruption = Interruption()
        let wasCalled = Mutex(false)
        interruption.onSignal { wasCalled.withLock { $0 = true } }
        var action = sigaction()
        sigaction(SIGINT, nil, &action)
        #expect(
            unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
        )
        signal(SIGINT, SIG_DFL)
        signal(SIGTERM, SIG_DFL)
    }
}

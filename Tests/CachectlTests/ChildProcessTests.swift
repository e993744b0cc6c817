import Testing

@testable import cachectl

/// One after another: the signals of a process are there only once.
@Suite(.serialized)
struct ChildProcessTests {
    @Test func `the command's status is the result`() throws {
        #expect(try ChildProcess.run(["/bin/sh", "-c", "exit 7"]) == 7)
        #expect(try ChildProcess.run(["true"]) == 0)
    }

    @Test func `a command that a signal ended has 128 and its number`() throws {
        #expect(try ChildProcess.run(["/bin/sh", "-c", "kill -KILL $$"]) == 137)
    }

    @Test func `a signal to this process reaches the command`() throws {
        let script = "trap 'exit 42' TERM; kill -TERM $PPID; for i in $(seq 200); do sleep 0.05; done; exit 1"
        #expect(try ChildProcess.run(["/bin/bash", "-c", script]) == 42)
    }

    @Test func `a command that is not there has status 127`() {
        let error = #expect(throws: StatusOnly.self) { try ChildProcess.run(["/nonexistent/command"]) }
        #expect(error?.status == 127)
    }

    @Test func `a file that cannot be run has status 126`() {
        let error = #expect(throws: StatusOnly.self) { try ChildProcess.run(["/etc/passwd"]) }
        #expect(error?.status == 126)
    }
}

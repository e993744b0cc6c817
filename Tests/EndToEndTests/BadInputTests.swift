import Foundation
import Testing

/// Bad input gets one clear sentence, the right exit code, and loses nothing.
struct BadInputTests {
    @Test func `a second server on the same data is refused`() throws {
        let server = try TarnServer()
        let second = try Running(
            Programs.path("tarnd"),
            ["--data", server.data, "--listen", "127.0.0.1:0"],
            in: "/",
            environment: ProcessInfo.processInfo.environment
        ).finish()
        #expect(second.status == 1)
        #expect(second.errors.contains("in use"), "\(second.errors)")
    }

    @Test func `a data folder of a newer version is refused and left alone`() throws {
        let scratch = try Scratch()
        let data = try scratch.folder("data")
        try shell(#"echo '{"format": 999}' > tarn.json"#, in: data)
        let refused = try Running(
            Programs.path("tarnd"),
            ["--data", data, "--listen", "127.0.0.1:0"],
            in: "/",
            environment: ProcessInfo.processInfo.environment
        ).finish()
        #expect(refused.status == 1)
        #expect(refused.errors.contains("999") && refused.errors.contains("upgrade"), "\(refused.errors)")
        #expect(try shell("cat tarn.json; ls -A", in: data) == "{\"format\": 999}\ntarn.json\ntarn.lock\n")
    }

    @Test func `a server that is none is named with its address`() throws {
        let scratch = try Scratch()
        try shell("echo '<html>hello</html>' > index.html", in: scratch.path)
        let script =
            "import http.server,sys; s=http.server.ThreadingHTTPServer(('127.0.0.1',0),http.server.SimpleHTTPRequestHandler); print(s.server_port, flush=True); s.serve_forever()"
        let other = Process()
        other.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        other.arguments = ["python3", "-c", script]
        other.currentDirectoryURL = URL(fileURLWithPath: scratch.path)
        let pipe = Pipe()
        other.standardOutput = pipe
        other.standardError = FileHandle.nullDevice
        try other.run()
        defer { kill(other.processIdentifier, SIGKILL) }
        let port = String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let job = try Job("http://127.0.0.1:\(port)")
        try job.write("x", to: "data/file")
        for (program, flags) in [("restore_cache", []), ("save_cache", ["--path", "data"])] {
            let lenient = try job.start(program, ["--key", "k"] + flags).finish()
            #expect(lenient.status == 0)
            let strict = try job.start(program, ["--strict", "--key", "k"] + flags).finish()
            #expect([1, 11].contains(strict.status))
            #expect((strict.output + strict.errors).contains("127.0.0.1:\(port)"), "\(strict.errors)")
        }
    }

    @Test func `a wrong address in a flag is wrong use, and in the environment no reason to break a job`() throws {
        let job = try Job("not-an-address")
        try job.write("x", to: "data/file")
        for (program, flags) in [("restore_cache", []), ("save_cache", ["--path", "data"])] {
            #expect(try job.start(program, ["--key", "k"] + flags).finish().status == 0)
            let strict = try job.start(program, ["--key", "k", "--strict"] + flags).finish()
            #expect(strict.status == 1)
            #expect(strict.errors.contains("http://127.0.0.1:7878"), "\(strict.errors)")
            #expect(try job.start(program, ["--key", "k", "--url", "nowhere"] + flags).finish().status == 2)
        }
    }

    @Test func `a server that accepts and says nothing is given up on`() throws {
        let script =
            "import socket,time; s=socket.create_server(('127.0.0.1',0)); print(s.getsockname()[1], flush=True); c=[]\nwhile True: c.append(s.accept())"
        let silent = try Running(
            "/usr/bin/env",
            ["python3", "-c", script],
            in: "/",
            environment: ["PATH": "/usr/bin:/bin"]
        )
        defer { silent.signal(SIGKILL) }
        #expect(silent.outputReader.wait(for: "\n"))
        let port = silent.outputReader.current.trimmingCharacters(in: .whitespacesAndNewlines)
        let job = try Job("http://127.0.0.1:\(port)")
        job.environment["TARN_STALL_LIMIT"] = "200ms"
        let finished = try job.run("restore_cache", "--key", "k")
        #expect(finished.status == 0)
        #expect(finished.errors.contains("stopped answering"), "\(finished.errors)")
    }

    @Test func `an unreadable file is named, and nothing is stored`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try shell("mkdir tree; echo 1 > tree/ok; mkfifo tree/pipe", in: job.directory)
        let refused = try job.run("save_cache", "--strict", "--key", "k", "--path", "tree")
        #expect(refused.status == 1)
        #expect((refused.output + refused.errors).contains("tree/pipe"), "\(refused.errors)")
        #expect(try job.restore("k")["outcome"] as? String == "miss")
    }

    @Test func `a key with control characters is refused in words that do not contain them`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("x", to: "data/file")
        let refused = try job.run("save_cache", "--strict", "--key", "a\u{1b}[31mb", "--path", "data")
        #expect(refused.status != 0)
        #expect(!(refused.output + refused.errors).contains("\u{1b}"))
    }

    @Test(arguments: [["--max-size", "lots"], ["--listen", "nowhere"], ["--no-such-flag"], []])
    func `a server that is started the wrong way says what is wrong`(flags: [String]) throws {
        let finished = try Running(
            Programs.path("tarnd"),
            flags,
            in: "/",
            environment: ["PATH": "/usr/bin:/bin"]
        ).finish()
        #expect(finished.status != 0)
        #expect(!finished.errors.isEmpty)
        #expect(!finished.errors.contains("Fatal error"), "\(finished.errors)")
    }

    @Test func `a full disk on the server's side is said, and the job goes on`() throws {
        guard getuid() == 0 else { return }
        let scratch = try Scratch()
        let disk = try scratch.folder("disk")
        try shell("mount -t tmpfs -o size=24m tmpfs '\(disk)'", in: "/")
        defer { _ = try? shell("umount -l '\(disk)'", in: "/") }
        let server = try TarnServer(data: "\(disk)/data")
        let job = try Job(server.url)
        try shell("mkdir small tree; echo 1 > small/x; head -c 60000000 /dev/urandom > tree/data", in: job.directory)
        #expect(try job.save("small", "small")["outcome"] as? String == "saved")
        let lenient = try job.run("save_cache", "--key", "k", "--path", "tree")
        #expect(lenient.status == 0)
        #expect((lenient.output + lenient.errors).contains("full"), "\(lenient.output)\(lenient.errors)")
        #expect(try job.run("save_cache", "--strict", "--key", "k", "--path", "tree").status == 1)
        #expect(try job.restore("small")["outcome"] as? String == "hit")
    }
}

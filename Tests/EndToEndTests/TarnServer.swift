import Foundation
import Testing

/// A real `tarnd` on a free loopback port with a data folder of its own.
final class TarnServer {
    let scratch: Scratch
    let data: String
    private(set) var running: Running
    private(set) var port = 0
    private let flags: [String]

    init(flags: [String] = [], data: String? = nil) throws {
        self.scratch = try Scratch("tarnd")
        self.data = data ?? "\(self.scratch.path)/data"
        self.flags = flags
        self.running = try Self.launch(self.data, self.scratch, flags)
        try self.awaitStart()
    }

    deinit {
        if self.running.process.isRunning { self.running.signal(SIGKILL) }
        _ = self.running.finish()
    }

    var url: String { "http://127.0.0.1:\(self.port)" }
    var project: String { "\(self.url)/v1/projects/acme/shop" }

    /// Kills the server without warning and starts it again on the same data.
    func crashAndRestart() throws {
        self.running.signal(SIGKILL)
        _ = self.running.finish()
        self.running = try Self.launch(self.data, self.scratch, self.flags)
        try self.awaitStart()
    }

    /// Stops the server as an operator does and tells how it went.
    func stop() -> Finished {
        self.running.signal(SIGTERM)
        return self.running.finish()
    }

    /// The largest resident set so far, in bytes.
    func peakMemory() throws -> Int {
        let status = try String(
            contentsOfFile: "/proc/\(self.running.process.processIdentifier)/status",
            encoding: .utf8
        )
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
        return try #require(Int(line.split(whereSeparator: \.isWhitespace)[1])) * 1_024
    }

    private static func launch(_ data: String, _ scratch: Scratch, _ flags: [String]) throws -> Running {
        let portFile = "\(scratch.path)/port"
        try? FileManager.default.removeItem(atPath: portFile)
        return try Running(
            Programs.path("tarnd"),
            ["--data", data, "--listen", "127.0.0.1:0", "--port-file", portFile] + flags,
            in: scratch.path,
            environment: ProcessInfo.processInfo.environment
        )
    }

    private func awaitStart() throws {
        let started = self.running.errorReader.wait(for: "\"message\":\"listening\"")
        try #require(started, "tarnd did not start: \(started ? "" : self.running.finish().errors)")
        let text = try String(contentsOfFile: "\(self.scratch.path)/port", encoding: .utf8)
        self.port = try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    }
}

/// A job's working directory, home and environment, talking to a server.
final class Job {
    let scratch: Scratch
    let directory: String
    var environment: [String: String]

    init(_ url: String, branch: String = "main", project: String = "acme/shop", directory: String = "project") throws {
        self.scratch = try Scratch("job")
        self.directory = try self.scratch.folder(directory)
        self.environment = [
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin",
            "HOME": try self.scratch.folder("home"),
            "TMPDIR": try self.scratch.folder("tmp"),
            "TARN_URL": url, "TARN_PROJECT": project, "TARN_BRANCH": branch, "LC_ALL": "C.UTF-8",
        ]
    }

    /// Starts one of Tarn's programs in the job.
    func start(_ program: String, _ arguments: [String], in directory: String? = nil) throws -> Running {
        try Running(
            Programs.path(program),
            arguments,
            in: directory ?? self.directory,
            environment: self.environment
        )
    }

    /// Runs one of Tarn's programs in the job.
    func run(_ program: String, _ arguments: String..., in directory: String? = nil) throws -> Finished {
        try self.start(program, arguments, in: directory).finish()
    }

    /// Saves and gives the outcome's JSON.
    func save(_ key: String, _ paths: String..., flags: [String] = []) throws -> [String: Any] {
        let arguments = ["--key", key, "--json"] + paths.flatMap { ["--path", $0] } + flags
        let finished = try self.start("save_cache", arguments).finish()
        try #require(finished.status == 0, "\(finished.errors)")
        return try finished.json()
    }

    /// Restores and gives the outcome's JSON.
    func restore(_ keys: String..., flags: [String] = []) throws -> [String: Any] {
        let arguments = keys.flatMap { ["--key", $0] } + ["--json"] + flags
        let finished = try self.start("restore_cache", arguments).finish()
        try #require(finished.status == 0, "\(finished.errors)")
        return try finished.json()
    }

    func write(_ text: String, to path: String) throws {
        let file = "\(self.directory)/\(path)"
        let folder = (file as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    }
}

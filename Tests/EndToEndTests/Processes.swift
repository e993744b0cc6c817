import Foundation
import Testing

/// What a finished command left behind.
struct Finished {
    var status: Int32
    var output: String
    var errors: String
    /// The largest resident set of the process, in bytes.
    var peakMemory: Int = 0

    /// The one JSON object on standard output.
    func json() throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(self.output.utf8))
        return try #require(object as? [String: Any], "not a JSON object: \(self.output) \(self.errors)")
    }
}

/// A command that is running.
final class Running {
    let process = Process()
    private let output = Pipe()
    private let errors = Pipe()
    let outputReader: PipeReader
    let errorReader: PipeReader

    init(_ path: String, _ arguments: [String], in directory: String, environment: [String: String]) throws {
        self.process.executableURL = URL(fileURLWithPath: path)
        self.process.arguments = arguments
        self.process.currentDirectoryURL = URL(fileURLWithPath: directory)
        self.process.environment = environment
        self.process.standardOutput = self.output
        self.process.standardError = self.errors
        self.process.standardInput = FileHandle.nullDevice
        try self.process.run()
        self.outputReader = PipeReader(self.output)
        self.errorReader = PipeReader(self.errors)
    }

    func signal(_ signal: Int32) { kill(self.process.processIdentifier, signal) }

    func finish() -> Finished {
        let output = self.outputReader.finish()
        let errors = self.errorReader.finish()
        self.process.waitUntilExit()
        let status =
            self.process.terminationReason == .exit
            ? self.process.terminationStatus : 128 + self.process.terminationStatus
        return Finished(status: status, output: output, errors: errors)
    }
}

/// Drains a pipe on a thread of its own, so that no command blocks on a full one, and lets a test wait for a text.
final class PipeReader: @unchecked Sendable {
    // Protected by `condition`.
    private var text = ""
    private var isAtEnd = false
    private let condition = NSCondition()

    init(_ pipe: Pipe) {
        let handle = pipe.fileHandleForReading
        Thread.detachNewThread {
            while case let data = handle.availableData, !data.isEmpty {
                self.condition.withLock {
                    self.text += String(decoding: data, as: UTF8.self)
                    self.condition.broadcast()
                }
            }
            self.condition.withLock {
                self.isAtEnd = true
                self.condition.broadcast()
            }
        }
    }

    /// Blocks until the text appears; `false` if the pipe ended without it.
    func wait(for expected: String) -> Bool {
        self.condition.withLock {
            while !self.text.contains(expected) {
                if self.isAtEnd { return false }
                self.condition.wait()
            }
            return true
        }
    }

    /// What has arrived so far.
    var current: String { self.condition.withLock { self.text } }

    func finish() -> String {
        self.condition.withLock {
            while !self.isAtEnd { self.condition.wait() }
            return self.text
        }
    }
}

/// The programs that the package builds, beside the test bundle.
enum Programs {
    static let directory: String = {
        if let directory = ProcessInfo.processInfo.environment["TARN_BINARIES"] { return directory }
        return URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent().path
    }()

    static func path(_ name: String) -> String { "\(self.directory)/\(name)" }

    /// The repository's root.
    static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// Whether the slow cases run, which install real packages or move gigabytes.
    static let runsSlowCases = ProcessInfo.processInfo.environment["TARN_TESTS"] != "quick"
}

/// A folder that is removed with everything in it.
final class Scratch {
    let path: String

    init(_ name: String = "tarn-test") throws {
        self.path = NSTemporaryDirectory() + "\(name)-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
    }

    deinit {
        // Trees may hold folders without write permission.
        _ = try? shell("chmod -R u+rwx '\(self.path)'; rm -rf '\(self.path)'", in: "/")
    }

    func folder(_ name: String) throws -> String {
        let path = "\(self.path)/\(name)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }
}

/// Runs a line of shell; fails the test if the line fails.
@discardableResult
func shell(
    _ line: String,
    in directory: String,
    environment: [String: String] = [:],
    sourceLocation: SourceLocation = #_sourceLocation
) throws -> String {
    let environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let script = "set -euo pipefail\n" + line
    let finished = try Running("/bin/bash", ["-c", script], in: directory, environment: environment).finish()
    #expect(finished.status == 0, "\(line)\n\(finished.output)\(finished.errors)", sourceLocation: sourceLocation)
    return finished.output
}

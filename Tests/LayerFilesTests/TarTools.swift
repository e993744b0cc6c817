import CacheModel
import Foundation
import LayerFiles
import LayerFormat
import LayerKernels
import Testing

/// A directory that exists as long as a test needs it, and programs that run in it.
final class TarScratch {
    let path: String

    init() throws {
        self.path = FileManager.default.temporaryDirectory.path + "/tarn-tar-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: self.path) }

    /// The folder with the scripts that make and list archives.
    static let corpora = String(#filePath.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" }) + "/Corpora"

    /// Runs a shell command in the directory and returns what it prints.
    @discardableResult
    func run(_ command: String, mayFail: Bool = false) throws -> String {
        let process = Process()
        let output = "\(self.path)/.output-\(UUID().uuidString)"
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "umask 022; ( \(command) ) > '\(output)' 2> '\(output)-errors'"]
        process.currentDirectoryURL = URL(fileURLWithPath: self.path)
        process.environment = ProcessInfo.processInfo.environment.merging(
            ["TOOLS": "\(Self.corpora)/tar-tools.py", "CORPORA": Self.corpora, "LC_ALL": "C.UTF-8"]
        ) { $1 }
        try process.run()
        process.waitUntilExit()
        if process.terminationStatus != 0, !mayFail {
            let errors = (try? String(contentsOfFile: "\(output)-errors", encoding: .utf8)) ?? ""
            Issue.record("\(command) failed: \(errors)")
        }
        return String(decoding: try self.contents(of: output), as: UTF8.self)
    }

    func lines(_ command: String) throws -> [String] { try self.run(command).split(separator: "\n").map(String.init) }

    func contents(of file: String) throws -> [UInt8] {
        let url = URL(fileURLWithPath: file.hasPrefix("/") ? file : "\(self.path)/\(file)")
        return Array(try Data(contentsOf: url))
    }

    /// Spools an archive as an upload would be, in pieces of the given size.
    func spool(_ file: String, limits: TarLimits = TarLimits(), pieces: Int = 100_000) throws -> SpooledTree {
        let bytes = try self.contents(of: file)
        let spool = try TarSpool(directory: self.path, limits: limits, spoolLimit: 64 << 20)
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            try bytes[start..<min(start + pieces, bytes.count)].withUnsafeBytes { try spool.write($0) }
        }
        return try spool.finish()
    }
}

extension SpooledTree {
    /// The whole content of a member.
    func content(of index: Int) throws -> [UInt8] {
        try self.content(of: index, 0..<self.members.size(at: index))
    }

    func content(of index: Int, _ range: Range<Int>) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xaa, count: range.count)
        let count = try bytes.withUnsafeMutableBytes {
            try self.readContent(ofMember: index, at: range.lowerBound, into: $0)
        }
        #expect(count == range.count)
        return bytes
    }

    /// What `tar-tools.py` says about the same archive.
    func lines(withTimes: Bool = false) throws -> [String] {
        func hex(_ bytes: [UInt8]) -> String {
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        var lines: [String] = []
        var groups: [[UInt8]: [String]] = [:]
        var files: [[UInt8]: String] = [:]
        for index in self.members.indices {
            let member = self.members[index]
            let path = hex(member.path)
            let time = withTimes ? " \(self.stamps.mtimes[index])" : ""
            switch member.kind {
            case .directory: lines.append("\(path) d \(String(member.mode, radix: 8)) 0 -\(time)")
            case .symlink: lines.append("\(path) l 777 0 \(hex(member.target))\(time)")
            case .hardlink:
                lines.append("\(path) \(files[member.target] ?? "?")")
                groups[member.target, default: []].append(path)
            case .file:
                let size = member.size
                var ends = try self.content(of: index, 0..<min(size, 65_536))
                if size > 65_536 { ends += try self.content(of: index, (size - 65_536)..<size) }
                let description = "f \(String(member.mode, radix: 8)) \(size) \(SHA256.digest(of: ends))\(time)"
                files[member.path] = description
                groups[member.path, default: []].append(path)
                lines.append("\(path) \(description)")
            }
        }
        for group in groups.values where group.count > 1 { lines.append("= " + group.sorted().joined(separator: " ")) }
        return lines.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The canonical tar of the members, with real content.
    func canonicalTar() throws -> [UInt8] {
        var tar: [UInt8] = []
        for index in self.members.indices {
            let size = self.members.size(at: index)
            CanonicalTar.appendHeader(of: self.members, at: index, mtime: nil, to: &tar)
            if self.members.kind(at: index) == .file { tar += try self.content(of: index) }
            tar += [UInt8](repeating: 0, count: CanonicalTar.paddedSize(size) - size)
        }
        return tar + [UInt8](repeating: 0, count: CanonicalTar.endMarkerSize)
    }
}

import CacheModel
import Foundation
import NativeAPI
import Synchronization

@testable import CacheClient

/// A working directory and a home that are removed with everything in them when the test ends.
final class Workplace: Sendable {
    let root: String
    let places: Places

    init() throws {
        self.root = "/tmp/tarn-client-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        self.places = Places(workdir: "\(self.root)/work", home: "\(self.root)/home")
        for folder in [self.places.workdir, self.places.home] {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: self.root) }

    func write(_ bytes: [UInt8], to path: String) throws {
        let file = "\(self.places.workdir)/\(path)"
        let folder = (file as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: file))
    }

    func write(_ text: String, to path: String) throws { try self.write(Array(text.utf8), to: path) }

    func read(_ path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: "\(self.places.workdir)/\(path)")))
    }

    func remove(_ path: String) throws {
        try FileManager.default.removeItem(atPath: "\(self.places.workdir)/\(path)")
    }

    /// The names in the working directory.
    func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: self.places.workdir).sorted()
    }

    /// Bytes that do not compress, the same for the same seed.
    static func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var state = seed
        return [UInt8](unsafeUninitializedCapacity: count) { bytes, used in
            while used < count {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                var word = (state ^ (state >> 29)) >> 24
                for _ in 0..<min(4, count - used) {
                    bytes[used] = UInt8(truncatingIfNeeded: word)
                    word >>= 8
                    used += 1
                }
            }
        }
    }

    func save(
        _ key: String,
        _ paths: String...,
        with client: NativeClient,
        adjusting: (inout SaveJob.Request) -> Void = { _ in },
        events: Events = Events()
    ) async throws -> SaveResult {
        let key = try CacheKey(key)
        var request = SaveJob.Request(
            key: key,
            provenance: Provenance(template: key.text),
            paths: paths,
            places: self.places
        )
        adjusting(&request)
        return try await SaveJob(client: client, request: request, report: { events.note($0) }).run()
    }

    func restore(
        _ keys: String...,
        with client: NativeClient,
        adjusting: (inout RestoreJob.Request) -> Void = { _ in },
        events: Events = Events()
    ) async throws -> RestoreResult {
        var request = RestoreJob.Request(keys: try keys.map { .init(key: try CacheKey($0)) }, places: self.places)
        adjusting(&request)
        return try await RestoreJob(client: client, request: request, report: { events.note($0) }).run()
    }
}

/// What a job told while it ran.
final class Events: Sendable {
    private let all = Mutex<[String]>([])

    func note(_ event: TransferEvent) { self.all.withLock { $0.append("\(event)") } }

    func contains(_ text: String) -> Bool { self.all.withLock { $0.contains { $0.contains(text) } } }
}

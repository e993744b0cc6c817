import CacheModel
import CacheServer
import CacheService
import Foundation
import NativeGateway
import Testing

@Suite struct ConfigurationTests {
    @Test func `flags win over the environment, and that over the file`() throws {
        let configuration = try ServerConfiguration(
            flags: ["data": "/d", "config": "c.yaml", "max-layers": "1"],
            environment: ["TARND_MAX_LAYERS": "2", "TARND_MAX_UPLOADS": "3"]
        ) { _ in "max-layers: 4\nmax-uploads: 5\nmax-size: 50GB\n" }
        #expect(configuration.service.maximumLayers == 1)
        #expect(configuration.limits.uploads == 3)
        #expect(configuration.service.policy.budget == 50_000_000_000)
        let sources = Dictionary(uniqueKeysWithValues: configuration.settings.map { ($0.name, $0.source) })
        #expect(sources["max-layers"] == "flag --max-layers")
        #expect(sources["max-uploads"] == "variable TARND_MAX_UPLOADS")
        #expect(sources["max-size"] == "file c.yaml" && sources["listen"] == "default")
    }

    @Test func `all problems are reported together`() throws {
        let error = #expect(throws: ConfigurationProblems.self) {
            try ServerConfiguration(
                flags: ["config": "c.yaml", "listen": "0.0.0.0:1", "max-size": "lots"],
                environment: ["TARND_TTL": "soon"]
            ) { _ in "max-sice: 1\n" }
        }
        let text = try #require(error?.description)
        for part in [
            "max-size is 'lots'", "ttl is 'soon'", "'max-sice' is no setting", "--data DIR",
        ] {
            #expect(text.contains(part), "\(part)")
        }
    }

    @Test(arguments: ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
    func `loopback needs no permission`(host: String) throws {
        let listen = host.contains(":") ? "[\(host)]:0" : "\(host):0"
        let configuration = try ServerConfiguration(flags: ["data": "/d", "listen": listen], environment: [:]) { _ in ""
        }
        #expect(configuration.host == host)
        try configuration.requireNotExposed(isClosed: false)
    }

    @Test(arguments: ["127.0.0.1.example.com", "10.0.0.1", "::", "127.evil"])
    func `other addresses need permission`(host: String) throws {
        let flags = ["data": "/d", "listen": host.contains(":") ? "[\(host)]:0" : "\(host):0"]
        let configuration = try ServerConfiguration(flags: flags, environment: [:]) { _ in "" }
        let error = #expect(throws: ConfigurationProblems.self) { try configuration.requireNotExposed(isClosed: false) }
        #expect(error?.description.contains("tarnd token create") == true)
        try configuration.requireNotExposed(isClosed: true)
        let open = flags.merging(["insecure-open": "true"]) { $1 }
        try ServerConfiguration(flags: open, environment: [:]) { _ in "" }.requireNotExposed(isClosed: false)
    }
}

@Suite struct DataFolderTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "tarn-folder-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test func `a folder is one server's at a time`() throws {
        try self.withFolder { path in
            let folder = try DataFolder(path)
            let error = #expect(throws: CacheError.self) { try DataFolder(path) }
            #expect(error?.message.contains("process id \(getpid())") == true)
            withExtendedLifetime(folder) {}
        }
        try self.withFolder { path in
            _ = try DataFolder(path)
            _ = try DataFolder(path)
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o700)
        }
    }

    @Test func `a newer folder is refused`() throws {
        try self.withFolder { path in
            _ = try DataFolder(path)
            try "{\"format\": 2}\n".write(toFile: path + "/tarn.json", atomically: true, encoding: .utf8)
            let error = #expect(throws: CacheError.self) { try DataFolder(path) }
            #expect(error?.message.contains("upgrade tarnd") == true)
        }
    }

    @Test func `a folder of something else is refused and left alone`() throws {
        try self.withFolder { path in
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try "x".write(toFile: path + "/thesis.txt", atomically: true, encoding: .utf8)
            let error = #expect(throws: CacheError.self) { try DataFolder(path) }
            #expect(error?.message.contains("thesis.txt") == true)
            #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["thesis.txt"])
        }
    }
}

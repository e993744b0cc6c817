import Glibc

/// A folder that is removed with everything in it when the test ends.
final class TemporaryFolder: Sendable {
    let path: String

    init() {
        let name = "/tmp/tarn-keys-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        mkdir(name, 0o700)
        self.path = name
    }

    deinit { Self.remove(self.path) }

    func write(_ name: String, _ bytes: [UInt8]) {
        let parts = name.split(separator: "/")
        for count in 1..<max(1, parts.count) {
            mkdir("\(self.path)/\(parts[..<count].joined(separator: "/"))", 0o700)
        }
        let file = open("\(self.path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        var offset = 0
        while offset < bytes.count {
            let count = bytes[offset...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count <= 0 { break }
            offset += count
        }
        close(file)
    }

    func write(_ name: String, _ text: String) { self.write(name, Array(text.utf8)) }

    private static func remove(_ path: String) {
        if let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                    pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name == "." || name == ".." { continue }
                if unlink("\(path)/\(name)") != 0 { Self.remove("\(path)/\(name)") }
            }
            closedir(folder)
        }
        rmdir(path)
    }
}

import Glibc
import LayerFiles
import LayerFormat

/// Tells how Tarn reads many tars: a line of JSON for each.
///
/// The paths of the tars come as arguments, or on standard input, one a line. README.md says what is in a line.
@main
enum TarMembers {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        if arguments.isEmpty {
            while let path = readLine() { self.describe(path) }
        } else {
            for path in arguments { self.describe(path) }
        }
    }

    private static func describe(_ path: String) {
        guard let bytes = self.contents(of: path) else {
            print(#"{"path":\#(JSONText.string(Array(path.utf8))),"unreadable":true}"#)
            return
        }
        var line = #"{"path":\#(JSONText.string(Array(path.utf8)))"#
        do throws(TarError) {
            let members = try self.members(of: bytes).map(JSONText.object).joined(separator: ",")
            let problem = self.uploadProblem(bytes).map { JSONText.string(Array($0.utf8)) }
            line += #","members":[\#(members)],"upload":\#(problem ?? "null")"#
        } catch {
            line += #","refused":\#(JSONText.string(Array(error.description.utf8)))"#
        }
        print(line + "}")
    }

    /// The members in the order of the archive, as the reader gives them.
    private static func members(of bytes: [UInt8]) throws(TarError) -> [TarEntry] {
        var position = 0
        let reader = TarReader { buffer in
            let piece = bytes[position...].prefix(buffer.count)
            buffer.copyBytes(from: piece)
            position += piece.count
            return piece.count
        } skip: { count in
            let passed = min(count, bytes.count - position)
            position += passed
            return passed
        }
        var entries: [TarEntry] = []
        while let entry = try reader.next() { entries.append(entry) }
        return entries
    }

    /// Why an upload of a tar that can be read is refused all the same; `nil` if it is not.
    private static func uploadProblem(_ bytes: [UInt8]) -> String? {
        do {
            let spool = try TarSpool(directory: self.spoolFolder)
            try bytes.withUnsafeBytes { try spool.write($0) }
            _ = try spool.finish()
            return nil
        } catch {
            return "\(error)"
        }
    }

    private static var spoolFolder: String { access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp" }

    private static func contents(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&piece, 1, piece.count, file), count > 0 { bytes += piece[..<count] }
        return ferror(file) == 0 ? bytes : nil
    }
}

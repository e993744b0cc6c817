internal import Glibc

/// Another program of Tarn: the one beside this, or else the one in PATH.
struct SiblingProgram: Sendable {
    private let name: String

    init(_ name: String) { self.name = name }

    /// The program beside this one if it is there, otherwise its name for a search in PATH.
    var path: String {
        guard let own = Self.ownPath, let slash = own.lastIndex(of: "/") else { return self.name }
        let sibling = "\(own[..<slash])/\(self.name)"
        return access(sibling, X_OK) == 0 ? sibling : self.name
    }

    private static var ownPath: String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { bytes in
            guard let start = bytes.baseAddress else { return 0 }
            return readlink("/proc/self/exe", start.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    /// Becomes the program; returns only by throwing.
    ///
    /// - Throws: ``CommandFailure``.
    func replaceProcess(arguments: [String]) throws -> Never {
        let path = self.path
        var pointers = ([path] + arguments).map { strdup($0) }
        pointers.append(nil)
        execvp(path, pointers)
        let reason = String(cString: strerror(errno))
        throw CommandFailure(
            .failure,
            "cannot run \(self.name): \(reason); put \(self.name) beside cachectl or into a folder of PATH"
        )
    }
}

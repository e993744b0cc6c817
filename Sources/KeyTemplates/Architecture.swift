internal import Glibc

/// The value of `arch`, in the form of CircleCI's agent: `arch1-linux-amd64-6_85`.
public enum Architecture {
    /// This machine's value, from `uname(2)` and the first processor in `/proc/cpuinfo`.
    public static func current() -> String {
        Self.describe(machine: Self.machine(), cpuInfo: Self.firstProcessor())
    }

    /// Combines a machine name, such as `x86_64`, with the text of `/proc/cpuinfo`.
    ///
    /// x86 gives family and model (`6_85`), ARM implementer and part (`0x41_0xd0c`). Where the text has neither, the value
    /// ends with the processor: `arch1-linux-riscv64`.
    public static func describe(machine: String, cpuInfo: String) -> String {
        var fields: [Substring: String] = [:]
        for line in cpuInfo.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let name = Self.trimmed(parts[0])
            if fields[name] == nil { fields[name] = String(Self.trimmed(parts[1])) }
        }
        let base = "arch1-linux-\(Self.processor(machine))"
        if let family = fields["cpu family"], let model = fields["model"] { return "\(base)-\(family)_\(model)" }
        if let implementer = fields["CPU implementer"], let part = fields["CPU part"] {
            return "\(base)-\(implementer)_\(part)"
        }
        return base
    }

    /// Go's name of a processor.
    private static func processor(_ machine: String) -> String {
        switch machine {
        case "x86_64": "amd64"
        case "aarch64": "arm64"
        case "i386", "i486", "i586", "i686": "386"
        case _ where machine.hasPrefix("arm"): "arm"
        default: machine
        }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        var text = text.drop(while: isSpace)
        while let last = text.last, isSpace(last) { text.removeLast() }
        return text
    }

    private static func machine() -> String {
        var name = utsname()
        guard uname(&name) == 0 else { return "unknown" }
        return withUnsafeBytes(of: &name.machine) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    /// The first processor's lines: the file is long on a machine with many processors, and slow to make.
    private static func firstProcessor() -> String {
        let file = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = buffer.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }
}

internal import CacheModel
internal import Glibc
package import Logging

/// Writes each log event as one line to a descriptor, with one call, so that lines never mix.
package struct LineLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?
    package var logLevel: Logger.Level
    private let format: ServerConfiguration.LogFormat
    private let descriptor: Int32

    /// Creates a handler.
    package init(
        level: Logger.Level,
        format: ServerConfiguration.LogFormat,
        descriptor: Int32 = STDERR_FILENO
    ) {
        self.logLevel = level
        self.format = format
        self.descriptor = descriptor
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var metadata = self.metadata
        if let provided = self.metadataProvider?.get() { metadata.merge(provided) { $1 } }
        if let own = event.metadata { metadata.merge(own) { $1 } }
        if let error = event.error { metadata["error"] = "\(error)" }
        let fields = metadata.sorted { $0.key < $1.key }
        var line: String
        switch self.format {
        case .json:
            line = "{\"time\":\"\(Self.time())\",\"level\":\"\(event.level.rawValue)\",\"message\":"
            line += Self.quote(event.message.description)
            for (key, value) in fields { line += ",\(Self.quote(key)):\(Self.render(value))" }
            line += "}\n"
        case .text:
            line =
                "\(Self.time()) \(event.level.rawValue) \(Self.quote(event.message.description).dropFirst().dropLast())"
            for (key, value) in fields { line += " \(key)=\(Self.quote(value.description))" }
            line += "\n"
        }
        let bytes = Array(line.utf8)
        _ = write(self.descriptor, bytes, bytes.count)
    }

    private static func render(_ value: Logger.MetadataValue) -> String {
        switch value {
        case .array(let values): "[" + values.map(self.render).joined(separator: ",") + "]"
        case .dictionary(let values):
            "{"
                + values.sorted { $0.key < $1.key }.map { "\(self.quote($0.key)):\(self.render($0.value))" }
                .joined(separator: ",") + "}"
        case .string, .stringConvertible: self.quote(value.description)
        }
    }

    private static func quote(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case _ where Self.isHarmful(scalar):
                for unit in UTF16.encode(scalar) ?? .init() {
                    let digits = String(unit, radix: 16)
                    quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    /// Whether a terminal obeys the character, or shows a line as something that it is not.
    private static func isHarmful(_ scalar: Unicode.Scalar) -> Bool {
        guard scalar.value >= 0x7f else { return scalar.value < 0x20 }
        return switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }

    /// The time as RFC 3339 writes it, in UTC.
    private static func time() -> String {
        let now = Timestamp.current
        var seconds = time_t(now.milliseconds / 1_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ value: Int, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let day =
            "\(padded(Int(parts.tm_year) + 1_900, 4))-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(Int(parts.tm_mday), 2))"
        let clock = "\(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2)):\(padded(Int(parts.tm_sec), 2))"
        return "\(day)T\(clock).\(padded(Int(now.milliseconds % 1_000), 3))Z"
    }
}

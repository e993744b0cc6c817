/// Text forms of byte counts and durations, as people write them in flags and
/// read them in logs.
public enum Quantity {
    /// Parses a byte count: `50GB`, `512 MiB`, `1.5G`, `4096`.
    ///
    /// `kB`, `MB`, … are powers of 1,000, `KiB`, `MiB`, … and the single
    /// letters `K`, `M`, `G`, `T` powers of 1,024.
    ///
    /// - Returns: `nil` if the text is not a byte count or does not fit.
    public static func bytes(_ text: some StringProtocol) -> Int? {
        guard let (number, unit) = self.split(text) else { return nil }
        let scale: Double
        switch unit.lowercased() {
        case "", "b": scale = 1
        case "k", "kib": scale = 1_024
        case "kb": scale = 1e3
        case "m", "mib": scale = 1_048_576
        case "mb": scale = 1e6
        case "g", "gib": scale = 1_073_741_824
        case "gb": scale = 1e9
        case "t", "tib": scale = 1_099_511_627_776
        case "tb": scale = 1e12
        default: return nil
        }
        let value = number * scale
        return value < 9e18 ? Int(value) : nil
    }

    /// Parses a duration: `7d`, `36h`, `90m`, `30s`, `500ms`, `2w`.
    ///
    /// - Returns: `nil` if the text is not a duration with a unit.
    public static func duration(_ text: some StringProtocol) -> Duration? {
        guard let (number, unit) = self.split(text) else { return nil }
        let seconds: Double
        switch unit {
        case "ms": seconds = number / 1_000
        case "s": seconds = number
        case "m": seconds = number * 60
        case "h": seconds = number * 3_600
        case "d": seconds = number * 86_400
        case "w": seconds = number * 604_800
        default: return nil
        }
        return seconds < 1e12 ? .milliseconds(Int64(seconds * 1_000)) : nil
    }

    /// Writes a byte count with three significant digits in powers of 1,024: `177 MiB`.
    public static func describe(bytes: Int) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1_023.5, unit < units.count - 1 {
            value /= 1_024
            unit += 1
        }
        if unit == 0 || value >= 99.95 { return "\(Int(value.rounded())) \(units[unit])" }
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10) \(units[unit])" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    /// Writes a duration as Go's `time.Duration` does, to milliseconds: `1m27.217s`, `245ms`.
    public static func describe(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = Int(attoseconds / 1_000_000_000_000_000)
        guard seconds > 0 else { return "\(milliseconds)ms" }
        var text = ""
        if seconds >= 3_600 { text += "\(seconds / 3_600)h" }
        if seconds >= 60 { text += "\(seconds % 3_600 / 60)m" }
        text += "\(seconds % 60)"
        guard milliseconds > 0 else { return text + "s" }
        var fraction = String(milliseconds + 1_000).dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        return text + ".\(fraction)s"
    }

    private static func split(_ text: some StringProtocol) -> (number: Double, unit: String)? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let number = Double(String(digits)), number >= 0 else { return nil }
        return (number, String(text[digits.endIndex...].drop { $0 == " " }))
    }
}

extension Duration {
    /// The duration in seconds.
    public var seconds: Double {
        let (seconds, attoseconds) = self.components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}

internal import Glibc

/// A moment, in milliseconds since 1970 UTC.
public struct Timestamp: Hashable, Comparable, Sendable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public var milliseconds: Int64

    /// Creates a moment from milliseconds since 1970 UTC.
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// The system clock's answer.
    public static var current: Self {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Self(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// Orders moments from past to future.
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.milliseconds < rhs.milliseconds }

    /// The moment `duration` later; saturates instead of overflowing.
    public static func + (moment: Self, duration: Duration) -> Self {
        let (seconds, attoseconds) = duration.components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000)
        guard !overflow else { return Self(milliseconds: seconds < 0 ? .min : .max) }
        let (sum, overflows) = moment.milliseconds.addingReportingOverflow(scaled + attoseconds / 1_000_000_000_000_000)
        return Self(milliseconds: overflows ? (scaled < 0 ? .min : .max) : sum)
    }

    /// The time between two moments.
    public static func - (later: Self, earlier: Self) -> Duration {
        .milliseconds(later.milliseconds - earlier.milliseconds)
    }
}

extension Timestamp: CustomStringConvertible {
    /// The moment as CircleCI's log lines print it: `2020-03-28 04:22:47 +0000 UTC`.
    public var description: String {
        var seconds = time_t(self.milliseconds / 1_000)
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil else { return "\(self.milliseconds) ms" }
        func padded(_ value: Int32, _ width: Int = 2) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let day = "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))"
        return "\(day) \(padded(parts.tm_hour)):\(padded(parts.tm_min)):\(padded(parts.tm_sec)) +0000 UTC"
    }
}

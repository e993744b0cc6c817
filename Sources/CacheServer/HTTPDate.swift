internal import Glibc
internal import Synchronization

/// The time as the `Date` field wants it, written once a second.
final class HTTPDate: Sendable {
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private let last = Mutex<(second: time_t, text: String)>((0, ""))

    /// Now.
    var text: String {
        let now = time(nil)
        return self.last.withLock { last in
            if last.second != now { last = (now, Self.text(at: now)) }
            return last.text
        }
    }

    /// A moment in the form of RFC 9110 5.6.7, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    static func text(at moment: time_t) -> String {
        var moment = moment
        var parts = tm()
        gmtime_r(&moment, &parts)
        func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
        let year = Int(parts.tm_year) + 1_900
        return "\(self.days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(self.months[Int(parts.tm_mon)]) \(year) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
    }
}

internal import Synchronization

/// Counters, gauges and histograms in the Prometheus text format.
///
/// Every family is declared before it is used, and labels come from closed
/// sets (routes, methods, codes): what a client sends never makes a new series.
package final class Metrics: Sendable {
    /// What a family is.
    package enum Kind: String, Sendable {
        case counter
        case gauge
        case histogram
    }

    fileprivate struct Family {
        var help: String
        var kind: Kind
        var values: [String: Double] = [:]
        var histograms: [String: Histogram] = [:]
        var counters: [String: Counter] = [:]
        var timings: [String: Timing] = [:]
    }

    fileprivate struct Histogram {
        var counts = [Int](repeating: 0, count: Metrics.bounds.count)
        var sum = 0.0
        var count = 0

        mutating func add(_ value: Double) {
            for (index, bound) in Metrics.bounds.enumerated() where value <= bound { self.counts[index] += 1 }
            self.sum += value
            self.count += 1
        }

        mutating func merge(_ other: Self) {
            for index in self.counts.indices { self.counts[index] += other.counts[index] }
            self.sum += other.sum
            self.count += other.count
        }
    }

    /// One series of a counter or a gauge, for code that adds to it so often that looking it up would cost too much.
    package final class Counter: Sendable {
        fileprivate let value = Atomic(0)

        /// Adds to the series.
        package func add(_ amount: Int) { self.value.add(amount, ordering: .relaxed) }
    }

    /// One series of a histogram, likewise.
    package final class Timing: Sendable {
        private let histogram = Mutex(Histogram())

        /// Adds an observation.
        package func observe(_ value: Double) { self.histogram.withLock { $0.add(value) } }

        fileprivate var current: Histogram { self.histogram.withLock { $0 } }
    }

    /// The upper bounds of duration buckets, in seconds.
    fileprivate static let bounds = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    private let families = Mutex<[String: Family]>([:])

    /// Creates a registry with the families that every gateway uses.
    package init() {
        self.declare("tarn_requests_total", .counter, "Requests by matched route, method and status code.")
        self.declare("tarn_request_duration_seconds", .histogram, "Time from a request's head to its answer's end.")
        self.declare("tarn_requests_in_flight", .gauge, "Requests that are being answered now.")
        self.add("tarn_requests_in_flight", 0)
    }

    /// Declares a family; the first declaration stays.
    package func declare(_ name: String, _ kind: Kind, _ help: String) {
        self.families.withLock { families in
            if families[name] == nil { families[name] = Family(help: help, kind: kind) }
        }
    }

    /// Adds to a counter.
    package func count(_ name: String, _ labels: [(String, String)] = [], by amount: Int = 1) {
        self.add(name, Double(amount), labels)
    }

    /// Adds to a gauge or a counter.
    package func add(_ name: String, _ amount: Double, _ labels: [(String, String)] = []) {
        let key = Self.render(labels)
        self.families.withLock { $0[name]?.values[key, default: 0] += amount }
    }

    /// Sets a gauge.
    package func set(_ name: String, _ value: Double, _ labels: [(String, String)] = []) {
        let key = Self.render(labels)
        self.families.withLock { $0[name]?.values[key] = value }
    }

    /// Adds an observation to a histogram.
    package func observe(_ name: String, _ labels: [(String, String)], _ value: Double) {
        let key = Self.render(labels)
        self.families.withLock { families in
            families[name]?.histograms[key, default: Histogram()].add(value)
        }
    }

    /// The series with these labels of a counter or a gauge; what is added to it adds to what ``count(_:_:by:)`` does.
    package func counter(_ name: String, _ labels: [(String, String)] = []) -> Counter {
        let key = Self.render(labels)
        return self.families.withLock { families in
            let counter = families[name]?.counters[key] ?? Counter()
            families[name]?.counters[key] = counter
            return counter
        }
    }

    /// The series with these labels of a histogram.
    package func timing(_ name: String, _ labels: [(String, String)] = []) -> Timing {
        let key = Self.render(labels)
        return self.families.withLock { families in
            let timing = families[name]?.timings[key] ?? Timing()
            families[name]?.timings[key] = timing
            return timing
        }
    }

    /// All families in the text format, in the order of their names.
    package func render() -> String {
        let families = self.families.withLock { $0 }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            text += "# HELP \(name) \(family.help)\n# TYPE \(name) \(family.kind.rawValue)\n"
            let counters = family.counters.mapValues { Double($0.value.load(ordering: .relaxed)) }
            let values = family.values.merging(counters.filter { $0.value != 0 }, uniquingKeysWith: +)
            for (labels, value) in values.sorted(by: { $0.key < $1.key }) {
                text += "\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(Self.render(value))\n"
            }
            let timings = family.timings.mapValues(\.current).filter { $0.value.count > 0 }
            let histograms = family.histograms.merging(timings) { sum, more in
                var sum = sum
                sum.merge(more)
                return sum
            }
            for (labels, histogram) in histograms.sorted(by: { $0.key < $1.key }) {
                text += Self.render(name, labels, histogram)
            }
        }
        return text
    }

    private static func render(_ name: String, _ labels: String, _ histogram: Histogram) -> String {
        let prefix = labels.isEmpty ? "" : labels + ","
        let suffix = labels.isEmpty ? "" : "{\(labels)}"
        var text = ""
        for (bound, count) in zip(Self.bounds, histogram.counts) {
            text += "\(name)_bucket{\(prefix)le=\"\(Self.render(bound))\"} \(count)\n"
        }
        text += "\(name)_bucket{\(prefix)le=\"+Inf\"} \(histogram.count)\n"
        text += "\(name)_sum\(suffix) \(histogram.sum)\n\(name)_count\(suffix) \(histogram.count)\n"
        return text
    }

    private static func render(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(value)
    }

    private static func render(_ labels: [(String, String)]) -> String {
        labels.map { name, value in
            let escaped = value.reduce(into: "") { text, character in
                switch character {
                case "\\": text += "\\\\"
                case "\"": text += "\\\""
                case "\n": text += "\\n"
                default: text.append(character)
                }
            }
            return "\(name)=\"\(escaped)\""
        }.joined(separator: ",")
    }
}

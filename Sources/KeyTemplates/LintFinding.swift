/// Something about keys that a person would want to change.
public struct LintFinding: Hashable, Sendable {
    /// How much it matters.
    public enum Severity: String, Hashable, Sendable, CaseIterable, Comparable {
        /// Worth knowing.
        case note
        /// The cache works worse than it could, or restores something unexpected.
        case warning
        /// The step cannot work.
        case error

        /// Orders severities from note to error.
        public static func < (lhs: Self, rhs: Self) -> Bool {
            let order: [Self] = [.note, .warning, .error]
            return (order.firstIndex(of: lhs) ?? 0) < (order.firstIndex(of: rhs) ?? 0)
        }
    }

    /// How much it matters.
    public var severity: Severity
    /// The rule's name, such as `rotating-key`.
    public var rule: String
    /// What is wrong and what to do about it, in one sentence.
    public var message: String

    /// Creates a finding.
    public init(_ severity: Severity, _ rule: String, _ message: String) {
        self.severity = severity
        self.rule = rule
        self.message = message
    }
}

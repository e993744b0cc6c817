internal import Glibc

/// What is known about the place that output goes to.
package struct OutputTerminal: Hashable, Sendable {
    /// Whether a person reads along; otherwise it is a file, a pipe or the log of a CI system.
    package var isTerminal: Bool
    /// The columns that a line may take; `nil` if it may be as long as it wants.
    package var width: Int?
    /// Whether text may be made bold.
    package var hasStyle: Bool

    /// Creates a description.
    package init(isTerminal: Bool, width: Int? = nil, hasStyle: Bool = false) {
        self.isTerminal = isTerminal
        self.width = width
        self.hasStyle = hasStyle
    }

    /// Output that nobody watches.
    package static let plain = Self(isTerminal: false)

    /// The standard output of this process.
    ///
    /// `NO_COLOR` and `TERM=dumb` take away the style, `COLUMNS` gives the width where the terminal does not tell.
    package static func standardOutput() -> Self {
        guard isatty(STDOUT_FILENO) == 1 else { return .plain }
        let isDumb = Self.variable("TERM") == "dumb"
        let hasStyle = !isDumb && (Self.variable("NO_COLOR") ?? "").isEmpty
        return Self(isTerminal: true, width: Self.reportedWidth() ?? 80, hasStyle: hasStyle)
    }

    private static func reportedWidth() -> Int? {
        var size = winsize()
        if ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
        guard let columns = Self.variable("COLUMNS").flatMap({ Int($0) }), columns > 0 else { return nil }
        return columns
    }

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// The text in bold where that is possible.
    package func emphasized(_ text: String) -> String { self.hasStyle ? "\u{1b}[1m\(text)\u{1b}[0m" : text }
}

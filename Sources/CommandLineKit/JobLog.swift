internal import CacheModel
internal import Glibc
internal import Synchronization

/// The lines that a job's log gets, in CircleCI's wording, and a progress bar where a person watches.
package final class JobLog: Sendable {
    private let file: Int32
    private let bar: ProgressBar?

    /// Creates a log.
    ///
    /// - Parameter usesErrorOutput: Whether lines go to standard error because standard output has a JSON document.
    package init(usesErrorOutput: Bool) {
        self.file = usesErrorOutput ? STDERR_FILENO : STDOUT_FILENO
        self.bar = isatty(STDERR_FILENO) == 1 ? ProgressBar() : nil
    }

    /// Writes a line.
    package func line(_ text: String = "") {
        self.bar?.clear()
        self.write(text, to: self.file)
    }

    /// Writes what went wrong or is odd; always to standard error.
    package func complain(_ text: String) {
        self.bar?.clear()
        self.write(text, to: STDERR_FILENO)
    }

    /// Shows how far a transfer is.
    package func progress(_ label: String, done: Int, total: Int) {
        self.bar?.show(label, done: done, total: total)
    }

    /// Takes the progress bar away.
    package func endProgress() { self.bar?.clear() }

    private func write(_ text: String, to file: Int32) {
        let bytes = Array("\(OutputText.escaped(text))\n".utf8)
        // A log that cannot be written must not break the job.
        try? bytes.withUnsafeBytes { try Output.write($0, to: file, named: "the log") }
    }
}

/// One line of a terminal that is drawn again and again.
private final class ProgressBar: Sendable {
    private static let width = 30
    private let shown = Mutex("")

    func show(_ label: String, done: Int, total: Int) {
        let share = total > 0 ? min(1, Double(done) / Double(total)) : 1
        let filled = Int(share * Double(Self.width))
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: Self.width - filled)
        let text = "\(label) [\(bar)] \(Quantity.describe(bytes: done)) of \(Quantity.describe(bytes: total))"
        self.shown.withLock { shown in
            guard shown != text else { return }
            shown = text
            Self.draw("\r\u{1b}[K\(text)")
        }
    }

    func clear() {
        self.shown.withLock { shown in
            if !shown.isEmpty { Self.draw("\r\u{1b}[K") }
            shown = ""
        }
    }

    private static func draw(_ text: String) {
        try? Array(text.utf8).withUnsafeBytes { try Output.write($0, to: STDERR_FILENO, named: "the terminal") }
    }
}

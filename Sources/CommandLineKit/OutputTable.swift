/// Rows of text in aligned columns.
///
/// On a terminal the header is bold and the flexible column gives way until a row fits the line; elsewhere nothing is
/// ever shortened. Cells are escaped (``OutputText/escaped(_:)``).
package struct OutputTable: Sendable {
    /// One column.
    package struct Column: Hashable, Sendable {
        package var title: String
        package var isRightAligned: Bool
        package var isFlexible: Bool

        /// A column of words.
        package static func text(_ title: String) -> Self {
            Self(title: title, isRightAligned: false, isFlexible: false)
        }

        /// A column of numbers.
        package static func number(_ title: String) -> Self {
            Self(title: title, isRightAligned: true, isFlexible: false)
        }

        /// The column that is shortened first.
        package static func flexible(_ title: String) -> Self {
            Self(title: title, isRightAligned: false, isFlexible: true)
        }
    }

    private static let gap = "  "
    private static let leastFlexibleWidth = 16

    private let columns: [Column]
    private let hasHeader: Bool
    private var rows: [[String]] = []

    /// Creates a table with a header.
    package init(_ columns: [Column]) {
        self.columns = columns
        self.hasHeader = true
    }

    /// Creates a list of labels and values.
    ///
    /// A label that repeats the one above it is left out.
    package init(details: [(label: String, value: String)]) {
        self.columns = [.text(""), .text("")]
        self.hasHeader = false
        var previous: String?
        for detail in details {
            self.add([detail.label == previous ? "" : detail.label, detail.value])
            previous = detail.label
        }
    }

    /// Adds a row with one cell for each column.
    package mutating func add(_ cells: [String]) {
        precondition(cells.count == self.columns.count, "A row has one cell for each column.")
        self.rows.append(cells.map { OutputText.escaped($0) })
    }

    /// The table's lines; no line ends in spaces.
    package func lines(on terminal: OutputTerminal) -> [String] {
        let widths = self.widths(on: terminal)
        let body = self.rows.map { Self.line($0, self.columns, widths) }
        guard self.hasHeader else { return body }
        let header = Self.line(self.columns.map(\.title), self.columns, widths)
        return [terminal.emphasized(header)] + body
    }

    private func widths(on terminal: OutputTerminal) -> [Int] {
        var widths = self.columns.indices.map { column in
            let title = self.hasHeader ? OutputText.width(self.columns[column].title) : 0
            return self.rows.reduce(title) { max($0, OutputText.width($1[column])) }
        }
        guard let limit = terminal.width, let column = self.columns.firstIndex(where: \.isFlexible) else {
            return widths
        }
        let total = widths.reduce(0, +) + Self.gap.count * (widths.count - 1)
        if total > limit { widths[column] = max(Self.leastFlexibleWidth, widths[column] - (total - limit)) }
        return widths
    }

    private static func line(_ cells: [String], _ columns: [Column], _ widths: [Int]) -> String {
        var line = ""
        for (index, cell) in cells.enumerated() {
            let text = columns[index].isFlexible ? OutputText.shortened(cell, to: widths[index]) : cell
            let padding = String(repeating: " ", count: max(0, widths[index] - OutputText.width(text)))
            if index > 0 { line += Self.gap }
            line += columns[index].isRightAligned ? padding + text : text + padding
        }
        while line.last == " " { line.removeLast() }
        return line
    }
}

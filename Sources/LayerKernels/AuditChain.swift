public import CacheModel

extension AuditRow {
    /// Creates the row that follows `head`.
    public init(_ event: AuditEvent, after head: AuditHead) {
        let sequence = head.sequence &+ 1
        self.init(
            sequence: sequence,
            event: event,
            previous: head.hash,
            hash: event.chainHash(sequence: sequence, previous: head.hash)
        )
    }

    /// Whether the row's hash is that of its content.
    public var isSelfConsistent: Bool {
        self.hash == self.event.chainHash(sequence: self.sequence, previous: self.previous)
    }
}

extension AuditEvent {
    /// The hash of the row with this event; the fields stand in the order of docs/FORMAT.md.
    fileprivate func chainHash(sequence: Int64, previous: Digest) -> Digest {
        var message = FramedMessage("tarn-audit-v1")
        message.append(sequence)
        message.append(self.at.milliseconds)
        message.append(self.actor)
        message.append(self.action.rawValue)
        message.append(self.project)
        message.append(self.scope)
        message.append(self.key)
        message.append(self.entry)
        message.append(self.record)
        message.append(self.bytes)
        message.append(self.detail)
        message.append(previous)
        return message.digest
    }
}

/// Checks rows one after the other, and finds the first that does not follow from those before it.
public struct AuditChain: Sendable {
    /// Where the chain of the rows so far ends.
    public private(set) var head: AuditHead
    /// How many rows were checked.
    public private(set) var count = 0
    private let remembered: Digest?
    private var metRemembered = false

    /// Starts a check.
    ///
    /// - Parameters:
    ///   - anchor: What the first row follows: the empty log, or where older rows were dropped.
    ///   - remembered: The hash of a head that was seen earlier; it must be in the chain.
    public init(after anchor: AuditHead, remembered: Digest? = nil) {
        self.head = anchor
        self.remembered = remembered
        self.metRemembered = remembered == anchor.hash
    }

    /// Checks the next row.
    ///
    /// - Throws: ``AuditProblem`` for a row that is missing, changed, or in the wrong place.
    public mutating func append(_ row: AuditRow) throws(AuditProblem) {
        guard row.sequence == self.head.sequence &+ 1 else {
            throw AuditProblem(row: self.head.sequence &+ 1, "it is missing; the next row is \(row.sequence)")
        }
        guard row.isSelfConsistent else {
            throw AuditProblem(row: row.sequence, "it was changed: its hash does not fit")
        }
        guard row.previous == self.head.hash else {
            throw AuditProblem(row: row.sequence, "it does not follow row \(self.head.sequence): that one was changed")
        }
        self.head = row.head
        self.count += 1
        if row.hash == self.remembered { self.metRemembered = true }
    }

    /// Ends the check.
    ///
    /// - Parameter claimed: The head that the keeper of the log tells.
    /// - Throws: ``AuditProblem`` if the last rows are missing, or the remembered head is not a part of the chain.
    public func finish(at claimed: AuditHead) throws(AuditProblem) {
        guard claimed == self.head else {
            throw AuditProblem(
                row: self.head.sequence &+ 1,
                "the log says that it ends with row \(claimed.sequence) and hash \(claimed.hash), its rows end with row "
                    + "\(self.head.sequence) and hash \(self.head.hash)"
            )
        }
        guard let remembered = self.remembered, !self.metRemembered else { return }
        throw AuditProblem(
            row: self.head.sequence &+ 1,
            "the head \(remembered) that was seen earlier is not in the log: rows were cut off, rewritten, or dropped for age"
        )
    }
}

/// What is wrong with an audit log.
public struct AuditProblem: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The number of the first row that is wrong.
    public var row: Int64
    /// What is wrong with it.
    public var reason: String

    /// Creates a description of a problem.
    public init(row: Int64, _ reason: String) {
        self.row = row
        self.reason = reason
    }

    /// The row and what is wrong with it.
    public var description: String { "row \(self.row): \(self.reason)" }
}

/// What a check of a whole audit log found.
public struct AuditVerdict: Hashable, Sendable, Codable {
    /// The rows that follow from each other, from the oldest on.
    public var rows: Int
    /// The last row that was dropped for its age; 0 if none was.
    public var droppedUpTo: Int64
    /// Where the rows that follow from each other end.
    public var head: AuditHead
    /// What is wrong, if anything is.
    public var problem: AuditProblem?

    /// Creates a verdict.
    public init(rows: Int, droppedUpTo: Int64, head: AuditHead, problem: AuditProblem? = nil) {
        self.rows = rows
        self.droppedUpTo = droppedUpTo
        self.head = head
        self.problem = problem
    }

    /// Reads a whole log page by page and checks it.
    ///
    /// - Parameters:
    ///   - remembered: The hash of a head that was seen earlier.
    ///   - page: Gives the rows after a number; none if there are no more.
    /// - Returns: What was found.
    /// - Throws: What `page` throws.
    public static func check(
        remembered: Digest? = nil,
        page: (Int64) async throws -> AuditPage
    ) async throws -> AuditVerdict {
        var current = try await page(0)
        let dropped = current.anchor.sequence
        var chain = AuditChain(after: current.anchor, remembered: remembered)
        do {
            while true {
                for row in current.rows { try chain.append(row) }
                guard let last = current.rows.last, last.sequence < current.head.sequence else { break }
                current = try await page(last.sequence)
            }
            try chain.finish(at: current.head)
        } catch let problem as AuditProblem {
            return Self(rows: chain.count, droppedUpTo: dropped, head: chain.head, problem: problem)
        }
        return Self(rows: chain.count, droppedUpTo: dropped, head: chain.head)
    }
}

extension AuditVerdict {
    /// The verdict for people, a line each.
    public var report: [String] {
        var lines: [String] = []
        if self.droppedUpTo > 0 { lines.append("rows up to \(self.droppedUpTo) were dropped for their age") }
        if let problem = self.problem { lines.append("\(problem)") }
        let verb = self.problem == nil ? "all \(self.rows) rows" : "\(self.rows) rows before that"
        lines.append("\(verb) follow from each other; they end with row \(self.head.sequence), hash \(self.head.hash)")
        return lines
    }
}

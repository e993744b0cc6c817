/// A template as the sequence of what its key consists of, for comparing templates without values.
struct KeyPatternText: Hashable, Sendable {
    enum Piece: Hashable, Sendable {
        case byte(UInt8)
        case action(TemplateAction)
        /// A `<< … >>`: may turn out to be any text.
        case unknown(String)
    }

    enum Verdict {
        case always
        case maybe
        case never
    }

    let pieces: [Piece]

    init(_ template: KeyTemplate) {
        self.pieces = template.segments.flatMap { segment -> [Piece] in
            switch segment.content {
            case .action(let action): [.action(action)]
            case .literal(let text):
                ParameterText.split(text).flatMap { piece in
                    piece.isParameter ? [.unknown(piece.text)] : piece.text.utf8.map { .byte($0) }
                }
            }
        }
    }

    /// Whether every key of this template is the start of the key that `other` gives in the same job.
    func isPrefix(of other: Self) -> Bool {
        other.pieces.starts(with: self.pieces)
    }

    /// Whether a key of this template can be the start of a key of `other`, perhaps of another job.
    func matches(_ other: Self) -> Verdict {
        for (mine, theirs) in zip(self.pieces, other.pieces) where mine != theirs {
            switch (mine, theirs) {
            case (.byte, .byte): return .never
            case (.unknown, _), (_, .unknown): return .maybe
            case (.action(let action), .byte), (.byte, .action(let action)):
                return Self.isFreeText(action) ? .maybe : .never
            case (.action(let first), .action(let second)):
                return Self.isFreeText(first) && Self.isFreeText(second) ? .maybe : .never
            }
        }
        if self.pieces.count <= other.pieces.count { return .always }
        // What is longer can still match if the other ends in something of any length.
        switch other.pieces.last {
        case .unknown: return .maybe
        case .action(let action): return Self.isFreeText(action) ? .maybe : .never
        default: return .never
        }
    }

    private static func isFreeText(_ action: TemplateAction) -> Bool {
        switch action {
        case .branch, .environment, .checkoutKey, .arch: true
        default: false
        }
    }
}

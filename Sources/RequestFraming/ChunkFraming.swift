/// Follows the framing of requests as far as it takes to find the lines before chunks, and how long they are; pure.
///
/// The parser reads over a chunk's extensions, whatever their length (RFC 9112, 7.1.1), so a body could go on for ever
/// without a byte in it. What is not understood here is the parser's to refuse, and is not followed any further.
package struct ChunkFraming: Sendable {
    /// The longest line before a chunk: its size, and extensions that nobody has a use for.
    package static let longestLine = 256
    /// The longest line of a head or trailer.
    private let longestField: Int

    private enum Phase: Sendable {
        case requestLine
        case field
        case chunkLine
        case trailer
        /// So many bytes belong to a body or a chunk, and the phase comes after them.
        indirect case content(Int, then: Phase)
        case unknown
    }

    private var phase = Phase.requestLine
    /// The beginning of a line whose end has not arrived.
    private var line: [UInt8] = []
    private var isChunked = false
    private var length = 0

    /// Why a connection is ended.
    package enum Problem: Hashable, Sendable {
        case longChunkLine
        case longField
    }

    /// Creates the framing of a connection of which nothing has arrived.
    ///
    /// - Parameter longestField: The most bytes of a line of a head or trailer. The parser counts names and values, but
    ///   not the blanks between them.
    package init(longestField: Int) { self.longestField = longestField }

    /// Takes what has arrived; returns what is wrong with it.
    package mutating func advance(over bytes: UnsafeRawBufferPointer) -> Problem? {
        var rest = bytes
        while !rest.isEmpty {
            switch self.phase {
            case .unknown: return nil
            case .content(let count, let next):
                let taken = min(count, rest.count)
                rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
                self.phase = taken < count ? .content(count - taken, then: next) : next
            case .requestLine, .field, .chunkLine, .trailer:
                let end = rest.firstIndex(of: UInt8(ascii: "\n"))
                self.line += UnsafeRawBufferPointer(rebasing: rest[..<(end ?? rest.count)])
                if let problem = self.lengthProblem { return problem }
                guard let end else { return nil }
                rest = UnsafeRawBufferPointer(rebasing: rest[(end + 1)...])
                if self.line.last == UInt8(ascii: "\r") { self.line.removeLast() }
                self.phase = self.phaseAfterLine()
                self.line.removeAll(keepingCapacity: true)
            }
        }
        return nil
    }

    private var lengthProblem: Problem? {
        if case .chunkLine = self.phase { return self.line.count > Self.longestLine ? .longChunkLine : nil }
        return self.line.count > self.longestField ? .longField : nil
    }

    private mutating func phaseAfterLine() -> Phase {
        switch self.phase {
        case .requestLine:
            (self.isChunked, self.length) = (false, 0)
            return self.line.isEmpty ? .requestLine : .field
        case .field:
            guard self.line.isEmpty else { return self.readField() }
            if self.isChunked { return .chunkLine }
            return self.length > 0 ? .content(self.length, then: .requestLine) : .requestLine
        case .chunkLine:
            let digits = self.line.prefix { Character(UnicodeScalar($0)).isHexDigit }
            guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size < .max - 2 else {
                return .unknown
            }
            // The end of the line after a chunk's bytes belongs to them.
            return size > 0 ? .content(size + 2, then: .chunkLine) : .trailer
        case .trailer: return self.line.isEmpty ? .requestLine : .trailer
        case .content, .unknown: return self.phase
        }
    }

    private mutating func readField() -> Phase {
        guard let colon = self.line.firstIndex(of: UInt8(ascii: ":")), colon == 14 || colon == 17 else { return .field }
        switch String(decoding: self.line[..<colon], as: UTF8.self).lowercased() {
        case "transfer-encoding": self.isChunked = true
        case "content-length":
            let value = self.line[(colon + 1)...].filter { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }
            guard let length = Int(String(decoding: value, as: UTF8.self)), length >= 0 else { return .unknown }
            self.length = length
        default: break
        }
        return .field
    }
}

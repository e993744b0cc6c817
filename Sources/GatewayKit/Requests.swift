internal import CacheModel
internal import HTTPTypes
package import Hummingbird
internal import NIOCore

// Reading requests strictly: what is not understood is refused with a sentence that says why.

extension Request {
    /// The length that the head announces.
    ///
    /// - Throws: ``Failure`` with status 400 if it is no number.
    package func announcedLength() throws -> Int? {
        guard let text = self.headers[.contentLength] else { return nil }
        guard let length = Int(text), length >= 0 else {
            throw Failure(CacheError(.invalidRequest, "Content-Length is '\(text)', expected a number of bytes"))
        }
        return length
    }

    /// Refuses a body by what its head announces, before any of it is read.
    ///
    /// - Throws: ``Failure`` with status 413.
    package func limitBody(to limit: Int) throws {
        if let length = try self.announcedLength(), length > limit { throw Failure.bodyTooLarge(limit: limit) }
    }

    /// The whole body, if it is no larger than `limit`.
    ///
    /// - Throws: ``Failure`` with status 413 if it is.
    package func bodyBytes(limit: Int) async throws -> [UInt8] {
        try self.limitBody(to: limit)
        var bytes: [UInt8] = []
        for try await piece in self.body {
            guard bytes.count + piece.readableBytes <= limit else { throw Failure.bodyTooLarge(limit: limit) }
            bytes.append(contentsOf: piece.readableBytesView)
        }
        return bytes
    }
}

/// The query of a request, decoded exactly once: `%2B` is `+`, and `+` stays `+`.
package struct Query: Sendable {
    private let values: [String: String]

    /// Parses a query whose parameters are all among `known`, each given at most once.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest`.
    package init(of request: Request, known: [String]) throws {
        var values: [String: String] = [:]
        for pair in (request.uri.query ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = try PercentCoding.decode(parts[0], what: "a query parameter")
            guard known.contains(name) else {
                let list = known.isEmpty ? "none is" : known.joined(separator: ", ") + " are"
                throw CacheError(.invalidRequest, "query parameter '\(name)' is not known here; \(list)")
            }
            guard values[name] == nil else {
                throw CacheError(.invalidRequest, "query parameter '\(name)' is given twice")
            }
            values[name] = try PercentCoding.decode(parts.count > 1 ? parts[1] : "", what: "query parameter '\(name)'")
        }
        self.values = values
    }

    /// A parameter's text, or `nil` if it is not given.
    package subscript(_ name: String) -> String? { self.values[name] }

    /// A whole number within `range`, or `fallback` if it is not given.
    package func number(_ name: String, in range: ClosedRange<Int>, default fallback: Int) throws -> Int {
        guard let text = self.values[name] else { return fallback }
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text), range.contains(number)
        else {
            throw CacheError(
                .invalidRequest,
                "query parameter '\(name)' is '\(text)', expected a number from \(range.lowerBound) to "
                    + "\(range.upperBound)"
            )
        }
        return number
    }

    /// `true` or `false`; `false` if it is not given.
    package func flag(_ name: String) throws -> Bool {
        switch self.values[name] {
        case nil, "false": return false
        case "true": return true
        case let text?:
            throw CacheError(.invalidRequest, "query parameter '\(name)' is '\(text)', expected true or false")
        }
    }

    /// One of a closed set of words, or `nil` if it is not given.
    package func choice<Choice>(_ name: String, as type: Choice.Type = Choice.self) throws -> Choice?
    where Choice: RawRepresentable<String> & CaseIterable {
        guard let text = self.values[name] else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let choices = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw CacheError(.invalidRequest, "query parameter '\(name)' is '\(text)', expected one of \(choices)")
        }
        return choice
    }
}

internal import CacheModel
internal import Foundation
internal import GRDB

/// The states of a row in `blobs`.
enum BlobState: Int {
    case present = 0
    case condemned = 1
    case missing = 2
}

extension Digest {
    /// The 32 bytes as SQLite stores them.
    var data: Data { Data(self.bytes) }

    /// Reads a column that a CHECK holds to 32 bytes.
    init(column data: Data) throws {
        guard data.count == Self.byteCount else {
            throw CacheError(.corrupt, "the database holds a digest of \(data.count) bytes; run cachectl fsck")
        }
        self = data.withUnsafeBytes { Digest(loading: $0) }
    }
}

/// The range of keys that start with a prefix, in the order of their UTF-8 bytes.
enum KeyRange {
    /// The smallest text greater than all texts that start with `prefix`, or `nil` if there is none.
    ///
    /// The last scalar is replaced by its successor: SQLite's BINARY collation compares UTF-8 bytes, whose order is
    /// that of the scalars.
    static func upperBound(of prefix: String) -> String? {
        var scalars = Array(prefix.unicodeScalars)
        while let last = scalars.popLast() {
            guard last.value < 0x10_ffff else { continue }
            let next = last.value == 0xd7ff ? 0xe000 : last.value + 1
            guard let scalar = Unicode.Scalar(next) else { continue }
            scalars.append(scalar)
            var text = String.UnicodeScalarView()
            text.append(contentsOf: scalars)
            return String(text)
        }
        return nil
    }

    /// `key >= ? AND key < ?` and its arguments.
    static func condition(_ column: String, prefix: String) -> (sql: String, arguments: [any DatabaseValueConvertible])
    {
        if prefix.isEmpty { return ("TRUE", []) }
        guard let bound = self.upperBound(of: prefix) else { return ("\(column) >= ?", [prefix]) }
        return ("\(column) >= ? AND \(column) < ?", [prefix, bound])
    }
}

/// ``CacheModel/Provenance`` as JSON.
struct StoredProvenance: Codable {
    struct Part: Codable {
        var source: String
        var value: String
        var literal: Bool
    }

    struct File: Codable {
        var path: String
        var digest: String
        var text: String?
    }

    var template: String
    var parts: [Part]
    var files: [File]
    var branch: String?
    var revision: String?
    var build: String?
    var system: String?
    var host: String?

    static func encode(_ provenance: Provenance) throws -> String {
        let stored = Self(
            template: provenance.template,
            parts: provenance.parts.map { Part(source: $0.source, value: $0.value, literal: $0.isLiteral) },
            files: provenance.files.map { File(path: $0.path, digest: "\($0.digest)", text: $0.text) },
            branch: provenance.branch,
            revision: provenance.revision,
            build: provenance.build,
            system: provenance.system,
            host: provenance.host
        )
        return String(decoding: try JSONEncoder().encode(stored), as: UTF8.self)
    }

    static func decode(_ text: String) throws -> Provenance {
        let stored = try JSONDecoder().decode(Self.self, from: Data(text.utf8))
        return Provenance(
            template: stored.template,
            parts: stored.parts.map { Provenance.Part(source: $0.source, value: $0.value, isLiteral: $0.literal) },
            files: try stored.files.map {
                Provenance.ChecksummedFile(path: $0.path, digest: try Digest(hex: $0.digest), text: $0.text)
            },
            branch: stored.branch,
            revision: stored.revision,
            build: stored.build,
            system: stored.system,
            host: stored.host
        )
    }
}

extension Database {
    /// Runs a statement that is prepared once per connection.
    func run(_ sql: String, _ arguments: StatementArguments = []) throws {
        try self.cachedStatement(sql: sql).execute(arguments: arguments)
    }

    /// The first column of the first row, or `nil`.
    func value<Value: DatabaseValueConvertible & StatementColumnConvertible>(
        _ type: Value.Type = Value.self,
        _ sql: String,
        _ arguments: StatementArguments = []
    ) throws -> Value? {
        try Value.fetchOne(self.cachedStatement(sql: sql), arguments: arguments)
    }

    /// The first column of all rows.
    func values<Value: DatabaseValueConvertible & StatementColumnConvertible>(
        _ type: Value.Type = Value.self,
        _ sql: String,
        _ arguments: StatementArguments = []
    ) throws -> [Value] {
        try Value.fetchAll(self.cachedStatement(sql: sql), arguments: arguments)
    }

    /// All rows.
    func rows(_ sql: String, _ arguments: StatementArguments = []) throws -> [Row] {
        try Row.fetchAll(self.cachedStatement(sql: sql), arguments: arguments)
    }
}

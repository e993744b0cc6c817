internal import CacheModel
internal import GRDB

/// Turns SQLite's errors into codes.
enum CatalogFailure {
    static func wrap(_ error: any Error) -> any Error {
        guard let error = error as? DatabaseError else { return error }
        // GRDB prints arguments only in debug builds that ask for it; the message names a table at most.
        let reason = DatabaseReason(
            text: "\(error.message ?? "SQLite error") (code \(error.extendedResultCode.rawValue))"
        )
        // The index of the write-ahead log could not grow, for which SQLite has no code of its own.
        let isFull = error.resultCode == .SQLITE_FULL || error.extendedResultCode == .SQLITE_IOERR_SHMSIZE
        return switch error.resultCode {
        case _ where isFull:
            CacheError(.quotaExceeded, "the server's disk is full; free space or lower --max-size", cause: reason)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            CacheError(.corrupt, "the database is damaged; stop tarnd and run tarnd rebuild-index", cause: reason)
        case .SQLITE_CONSTRAINT:
            CacheError(.corrupt, "the database contradicts itself; run cachectl fsck", cause: reason)
        default:
            CacheError(.unavailable, "the database cannot be used now; try again", cause: reason)
        }
    }
}

/// SQLite's own words, without the arguments of the statement.
struct DatabaseReason: Error, CustomStringConvertible {
    var text: String
    var description: String { self.text }
}

internal import CacheClient
internal import CacheModel

/// The one JSON object that `--json` prints.
struct RestoreDocument: Encodable {
    var outcome: String
    var key: CacheKey?
    var matchedKey: CacheKey?
    var exact: Bool
    var bytesDownloaded: Int
    var chunksDownloaded: Int
    var chunksReused: Int
    var filesWritten: Int
    var filesKept: Int
    var seconds: Double
    /// What went wrong, if something did.
    var error: String?

    init(_ result: RestoreResult?, asked: CacheKey?, error: String? = nil) {
        self.outcome = result?.hit == nil ? "miss" : "hit"
        self.key = asked
        self.matchedKey = result?.hit?.entry.key
        self.exact = result?.hit?.isExact ?? false
        self.bytesDownloaded = result?.bytesDownloaded ?? 0
        self.chunksDownloaded = result?.chunksDownloaded ?? 0
        self.chunksReused = (result?.chunksTotal ?? 0) - self.chunksDownloaded
        self.filesWritten = result?.filesWritten ?? 0
        self.filesKept = (result?.filesKept ?? 0) + (result?.filesReused ?? 0)
        self.seconds = result?.duration.seconds ?? 0
        self.error = error
    }
    private enum Field: String, CodingKey {
        case outcome, key, matchedKey, exact, bytesDownloaded, chunksDownloaded, chunksReused
        case filesWritten, filesKept, seconds, error
    }

    /// Writes all fields but `error` always, so that a script finds `null` and not nothing.
    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Field.self)
        try fields.encode(self.outcome, forKey: .outcome)
        try fields.encode(self.key, forKey: .key)
        try fields.encode(self.matchedKey, forKey: .matchedKey)
        try fields.encode(self.exact, forKey: .exact)
        try fields.encode(self.bytesDownloaded, forKey: .bytesDownloaded)
        try fields.encode(self.chunksDownloaded, forKey: .chunksDownloaded)
        try fields.encode(self.chunksReused, forKey: .chunksReused)
        try fields.encode(self.filesWritten, forKey: .filesWritten)
        try fields.encode(self.filesKept, forKey: .filesKept)
        try fields.encode(self.seconds, forKey: .seconds)
        try fields.encodeIfPresent(self.error, forKey: .error)
    }
}

package import CacheModel

// The JSON bodies of the native API. Field names are the API: a change here is a change of /v1 (docs/API.md).

/// A question for an entry, and what is needed to explain a miss.
package struct ResolveRequest: Codable, Sendable {
    package struct Pattern: Codable, Sendable {
        package var key: CacheKey
        /// `prefix` unless told otherwise.
        package var match: KeyPattern.Match?
        /// The template the key was made from; explains a miss.
        package var provenance: Provenance?

        package init(key: CacheKey, match: KeyPattern.Match? = nil, provenance: Provenance? = nil) {
            self.key = key
            self.match = match
            self.provenance = provenance
        }
    }

    package var keys: [Pattern]
    package var scope: Scope?
    /// Whether the question is only asked, without restoring: no lease, no trace in the figures.
    package var isDryRun: Bool?

    package init(keys: [Pattern], scope: Scope? = nil, isDryRun: Bool? = nil) {
        self.keys = keys
        self.scope = scope
        self.isDryRun = isDryRun
    }
}

/// The answer to a ``ResolveRequest``.
package struct ResolveResponse: Codable, Sendable {
    /// `nil` on a miss.
    package var entry: Entry?
    /// The index of the key that matched.
    package var keyIndex: Int?
    /// Whether the entry's key is exactly the key asked for.
    package var isExact: Bool?
    /// Keeps the entry's bytes for a while; give it to the requests that fetch them.
    package var lease: String?
    /// On a miss, one explanation for each key.
    package var explanations: [MissExplanation]?

    package init(
        entry: Entry? = nil,
        keyIndex: Int? = nil,
        isExact: Bool? = nil,
        lease: String? = nil,
        explanations: [MissExplanation]? = nil
    ) {
        self.entry = entry
        self.keyIndex = keyIndex
        self.isExact = isExact
        self.lease = lease
        self.explanations = explanations
    }
}

/// Why a key was not found.
package struct MissExplanation: Codable, Sendable, Hashable {
    package var key: CacheKey
    /// One sentence: what differs from the nearest entry, or when and why the entry went.
    package var summary: String
    /// The nearest entry's key, if there is one.
    package var nearestKey: CacheKey?
    /// The story, a line each: differing parts, differing lines of files, the key's history.
    package var details: [String]

    package init(key: CacheKey, summary: String, nearestKey: CacheKey? = nil, details: [String] = []) {
        self.key = key
        self.summary = summary
        self.nearestKey = nearestKey
        self.details = details
    }
}

/// Asks which trees the project has already.
package struct KnownTreesRequest: Codable, Sendable {
    package var session: String
    package var trees: [Digest]

    package init(session: String, trees: [Digest]) {
        self.session = session
        self.trees = trees
    }
}

/// For each tree the layer that has it, or `null`.
package struct KnownTreesResponse: Codable, Sendable {
    package var layers: [Layer?]

    package init(layers: [Layer?]) { self.layers = layers }
}

/// Asks which blobs must be uploaded, and pins the others for the session.
package struct MissingBlobsRequest: Codable, Sendable {
    package var session: String
    package var digests: [Digest]

    package init(session: String, digests: [Digest]) {
        self.session = session
        self.digests = digests
    }
}

/// The blobs that the project does not have, in the order of the question.
package struct MissingBlobsResponse: Codable, Sendable {
    package var missing: [Digest]

    package init(missing: [Digest]) { self.missing = missing }
}

/// What an upload of blobs did.
package struct StoredBlobsResponse: Codable, Sendable {
    package var stored: Int

    package init(stored: Int) { self.stored = stored }
}

/// Asks for blobs; the answer is a sequence of blob records, see ``BlobRecordCoding``.
package struct FetchBlobsRequest: Codable, Sendable {
    package var digests: [Digest]

    package init(digests: [Digest]) { self.digests = digests }
}

/// Names blobs that arrived with other bytes than their digests say.
package struct SuspectsRequest: Codable, Sendable {
    /// The most digests of one report.
    package static let limit = 100

    package var digests: [Digest]

    package init(digests: [Digest]) { self.digests = digests }
}

/// What the server found when it read them again.
package struct SuspectsResponse: Codable, Sendable {
    /// Blobs that are damaged on the server's disk; the others were damaged on the way.
    package var damaged: Int

    package init(damaged: Int) { self.damaged = damaged }
}

/// Makes an entry visible; its blobs are there already.
package struct CommitRequest: Codable, Sendable {
    package var session: String
    package var layers: [Layer]
    package var provenance: Provenance
    package var scope: Scope?
    /// The entry expires this many seconds after the save.
    package var ttlSeconds: Int?
    /// Whether to put the entry in the place of one that has the key.
    package var replace: Bool?

    package init(
        session: String,
        layers: [Layer],
        provenance: Provenance,
        scope: Scope? = nil,
        ttlSeconds: Int? = nil,
        replace: Bool? = nil
    ) {
        self.session = session
        self.layers = layers
        self.provenance = provenance
        self.scope = scope
        self.ttlSeconds = ttlSeconds
        self.replace = replace
    }
}

/// What a commit did.
package struct CommitResponse: Codable, Sendable {
    package enum Outcome: String, Codable, Sendable {
        /// The entry is visible.
        case saved
        /// The key was taken; `entry` is what is there.
        case exists
    }

    package var outcome: Outcome
    package var entry: Entry
    /// Whether the entry that is there has the same content as the one that was to be saved.
    package var isSameContent: Bool

    package init(outcome: Outcome, entry: Entry, isSameContent: Bool) {
        self.outcome = outcome
        self.entry = entry
        self.isSameContent = isSameContent
    }
}

/// A page of entries.
package struct EntriesResponse: Codable, Sendable {
    package var entries: [Entry]
    /// Give it as `cursor` for the next page; `null` on the last.
    package var cursor: String?

    package init(entries: [Entry], cursor: String? = nil) {
        self.entries = entries
        self.cursor = cursor
    }
}

/// Removes, brings back, pins or unpins entries.
package struct ChangeRequest: Codable, Sendable {
    package enum Action: String, Codable, Sendable {
        case remove
        case restore
        case pin
        case unpin
    }

    package var action: Action
    /// The key to change; give either this or `prefix`.
    package var key: CacheKey?
    /// Changes all keys that start with this.
    package var prefix: CacheKey?
    package var scope: Scope?
    package var isDryRun: Bool?

    package init(
        action: Action,
        key: CacheKey? = nil,
        prefix: CacheKey? = nil,
        scope: Scope? = nil,
        isDryRun: Bool? = nil
    ) {
        self.action = action
        self.key = key
        self.prefix = prefix
        self.scope = scope
        self.isDryRun = isDryRun
    }
}

/// The entries that a change changed, or would change.
package struct ChangeResponse: Codable, Sendable {
    package var entries: [Entry]
    /// Until when removed entries can be brought back.
    package var undoUntil: Timestamp?

    package init(entries: [Entry], undoUntil: Timestamp? = nil) {
        self.entries = entries
        self.undoUntil = undoUntil
    }
}

/// What happened to a key.
package struct HistoryResponse: Codable, Sendable {
    package struct Event: Codable, Sendable {
        package var key: CacheKey
        package var scope: Scope
        /// `saved`, `evicted`, `expired`, `deleted`, `replaced`, `damaged`, `brought-back`.
        package var kind: String
        package var at: Timestamp
        package var detail: String

        package init(key: CacheKey, scope: Scope, kind: String, at: Timestamp, detail: String) {
            self.key = key
            self.scope = scope
            self.kind = kind
            self.at = at
            self.detail = detail
        }
    }

    package var events: [Event]

    package init(events: [Event]) { self.events = events }
}

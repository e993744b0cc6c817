/// One thing that was done to the store, and who did it.
public struct AuditEvent: Hashable, Sendable {
    /// What was done; an open set of words, so that an old reader can check the rows of a new server.
    public struct Action: RawRepresentable, Hashable, Sendable, Codable {
        /// The word that is stored.
        public var rawValue: String

        /// Creates an action from its word.
        public init(rawValue: String) { self.rawValue = rawValue }

        /// An entry became visible.
        public static let saved = Self(rawValue: "saved")
        /// A removed entry became visible again.
        public static let broughtBack = Self(rawValue: "brought-back")
        /// An entry was pinned.
        public static let pinned = Self(rawValue: "pinned")
        /// An entry's pin was taken away.
        public static let unpinned = Self(rawValue: "unpinned")
        /// The bytes of a blob are missing or damaged; ``AuditEvent/record`` is its digest.
        public static let blobLost = Self(rawValue: "blob-lost")
        /// Somebody ran the collector by hand.
        public static let collected = Self(rawValue: "collected")
        /// Somebody had the store checked and repaired.
        public static let repaired = Self(rawValue: "repaired")
        /// A token was made.
        public static let tokenCreated = Self(rawValue: "token-created")
        /// A token was revoked.
        public static let tokenRevoked = Self(rawValue: "token-revoked")
        /// The rules of who may do what were read and differ from those before.
        public static let accessChanged = Self(rawValue: "access-changed")
        /// The server began to serve.
        public static let serverStarted = Self(rawValue: "server-started")
        /// The server stopped as it was told to.
        public static let serverStopped = Self(rawValue: "server-stopped")
        /// The oldest rows of the log were dropped.
        public static let logTrimmed = Self(rawValue: "log-trimmed")
        /// The policy refused what somebody wanted to do; nothing was changed.
        public static let denied = Self(rawValue: "denied")
        /// A new database was made from the stored bytes; the log before it is in the old one.
        public static let indexRebuilt = Self(rawValue: "index-rebuilt")

        /// An entry stopped being visible: `evicted`, `expired`, `deleted`, `replaced` or `damaged`.
        public static func removed(_ reason: Removal.Reason) -> Self { Self(rawValue: reason.rawValue) }
    }

    /// The actor of what the server does by itself.
    public static let server = "server"

    /// When it was done.
    public var at: Timestamp
    /// Who did it: the name of a principal, `open` on a server without tokens, or ``server``.
    public var actor: String
    /// What was done.
    public var action: Action
    /// The project as `owner/name`; empty where none is concerned.
    public var project: String
    /// The scope; empty where none is concerned.
    public var scope: String
    /// The key; empty where none is concerned.
    public var key: String
    /// The entry's identifier.
    public var entry: Int64?
    /// The digest of the entry's record, or of a lost blob.
    public var record: Digest?
    /// The bytes of all layers' canonical tars.
    public var bytes: Int64?
    /// What else is worth saying.
    public var detail: String

    /// Creates an event.
    public init(
        _ action: Action,
        by actor: String,
        at moment: Timestamp,
        project: String = "",
        scope: String = "",
        key: String = "",
        entry: Int64? = nil,
        record: Digest? = nil,
        bytes: Int64? = nil,
        detail: String = ""
    ) {
        self.at = moment
        self.actor = actor
        self.action = action
        self.project = project
        self.scope = scope
        self.key = key
        self.entry = entry
        self.record = record
        self.bytes = bytes
        self.detail = detail
    }
}

/// Where a chain of audit rows ends: the number and the hash of its last row.
public struct AuditHead: Hashable, Sendable, Codable {
    /// The head of a log without rows.
    public static let empty = Self(sequence: 0, hash: Digest(word: 0))

    /// The last row's number; 0 before the first.
    public var sequence: Int64
    /// The last row's hash; all zeros before the first.
    public var hash: Digest

    /// Creates a head.
    public init(sequence: Int64, hash: Digest) {
        self.sequence = sequence
        self.hash = hash
    }
}

/// A row of the audit log: an event, chained to the row before it.
///
/// Its texts are kept as they are stored, also where they are no valid key, scope or project, so that a changed row can
/// be read and told to be wrong.
public struct AuditRow: Hashable, Sendable {
    /// The row's number: one more than that of the row before.
    public var sequence: Int64
    /// What was done.
    public var event: AuditEvent
    /// The hash of the row before.
    public var previous: Digest
    /// SHA-256 over all of the above; docs/FORMAT.md says how.
    public var hash: Digest

    /// Creates a row with the hash that it claims to have.
    public init(sequence: Int64, event: AuditEvent, previous: Digest, hash: Digest) {
        self.sequence = sequence
        self.event = event
        self.previous = previous
        self.hash = hash
    }

    /// Where the chain ends with this row.
    public var head: AuditHead { AuditHead(sequence: self.sequence, hash: self.hash) }
}

/// A page of the audit log.
public struct AuditPage: Hashable, Sendable, Codable {
    /// The rows, in their order.
    public var rows: [AuditRow]
    /// What the oldest row of the log follows: nothing, or where older rows were dropped.
    public var anchor: AuditHead
    /// Where the log ended when the page was read.
    public var head: AuditHead

    /// Creates a page.
    public init(rows: [AuditRow], anchor: AuditHead, head: AuditHead) {
        self.rows = rows
        self.anchor = anchor
        self.head = head
    }
}

extension AuditRow: Codable {
    private enum CodingKeys: String, CodingKey {
        case sequence, at, actor, action, project, scope, key, entry, record, bytes, detail, previous, hash
    }

    /// Reads one flat object.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            sequence: try container.decode(Int64.self, forKey: .sequence),
            event: AuditEvent(
                try container.decode(AuditEvent.Action.self, forKey: .action),
                by: try container.decode(String.self, forKey: .actor),
                at: try container.decode(Timestamp.self, forKey: .at),
                project: try container.decodeIfPresent(String.self, forKey: .project) ?? "",
                scope: try container.decodeIfPresent(String.self, forKey: .scope) ?? "",
                key: try container.decodeIfPresent(String.self, forKey: .key) ?? "",
                entry: try container.decodeIfPresent(Int64.self, forKey: .entry),
                record: try container.decodeIfPresent(Digest.self, forKey: .record),
                bytes: try container.decodeIfPresent(Int64.self, forKey: .bytes),
                detail: try container.decodeIfPresent(String.self, forKey: .detail) ?? ""
            ),
            previous: try container.decode(Digest.self, forKey: .previous),
            hash: try container.decode(Digest.self, forKey: .hash)
        )
    }

    /// Writes one flat object; texts that are empty are left out.
    public func encode(to encoder: any Encoder) throws {
        func some(_ text: String) -> String? { text.isEmpty ? nil : text }
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(self.sequence, forKey: .sequence)
        try container.encode(self.event.at, forKey: .at)
        try container.encode(self.event.actor, forKey: .actor)
        try container.encode(self.event.action, forKey: .action)
        try container.encodeIfPresent(some(self.event.project), forKey: .project)
        try container.encodeIfPresent(some(self.event.scope), forKey: .scope)
        try container.encodeIfPresent(some(self.event.key), forKey: .key)
        try container.encodeIfPresent(self.event.entry, forKey: .entry)
        try container.encodeIfPresent(self.event.record, forKey: .record)
        try container.encodeIfPresent(self.event.bytes, forKey: .bytes)
        try container.encodeIfPresent(some(self.event.detail), forKey: .detail)
        try container.encode(self.previous, forKey: .previous)
        try container.encode(self.hash, forKey: .hash)
    }
}

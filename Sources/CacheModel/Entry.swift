/// What a layer's paths are relative to, so that a cache made in one place
/// restores in another.
public enum Anchor: String, Hashable, Sendable, Codable, CaseIterable {
    /// The job's working directory.
    case workdir
    /// The user's home directory.
    case home
    /// The root of the file system.
    case root
}

/// One saved path of an entry.
public struct Layer: Hashable, Sendable, Codable {
    /// The saved path, relative to ``anchor``: `venv`, `caches/app.tar`; `.` for the anchor itself.
    public var path: String
    /// What ``path`` is relative to.
    public var anchor: Anchor
    /// SHA-256 over the canonical member list: same content, same tree digest.
    public var treeDigest: Digest
    /// The blob that rebuilds the layer.
    public var recipe: Digest
    /// The blob with the mtimes and `.pyc` stamps of this save.
    public var stamps: Digest
    /// Bytes of the canonical tar.
    public var size: Int
    /// Members of the canonical tar.
    public var memberCount: Int
    /// Chunks that the recipe lists.
    public var chunkCount: Int

    /// Creates a layer.
    public init(
        path: String,
        anchor: Anchor,
        treeDigest: Digest,
        recipe: Digest,
        stamps: Digest,
        size: Int,
        memberCount: Int,
        chunkCount: Int
    ) {
        self.path = path
        self.anchor = anchor
        self.treeDigest = treeDigest
        self.recipe = recipe
        self.stamps = stamps
        self.size = size
        self.memberCount = memberCount
        self.chunkCount = chunkCount
    }
}

/// How an entry came to be: what a later miss is explained with.
public struct Provenance: Hashable, Sendable, Codable {
    /// One expanded part of a key template.
    public struct Part: Hashable, Sendable, Codable {
        /// What was written: `.Branch`, `checksum "requirements.txt"`, or the literal text itself.
        public var source: String
        /// What it expanded to.
        public var value: String
        /// Whether this is literal text rather than an action.
        public var isLiteral: Bool

        /// Creates a part.
        public init(source: String, value: String, isLiteral: Bool) {
            self.source = source
            self.value = value
            self.isLiteral = isLiteral
        }
    }

    /// A file whose checksum is part of the key.
    public struct ChecksummedFile: Hashable, Sendable, Codable {
        /// The longest text kept, in bytes.
        public static let maximumTextLength = 32_768

        /// The file as the template named it.
        public var path: String
        /// The SHA-256 of its bytes.
        public var digest: Digest
        /// Its text, if it is UTF-8 of at most ``maximumTextLength`` bytes.
        public var text: String?

        /// Creates a description of a checksummed file.
        public init(path: String, digest: Digest, text: String?) {
            self.path = path
            self.digest = digest
            self.text = text
        }
    }

    /// The key template, unexpanded.
    public var template: String
    /// The template's parts in order.
    public var parts: [Part]
    /// The files whose checksums are part of the key.
    public var files: [ChecksummedFile]
    /// The branch, where it is known.
    public var branch: String?
    /// The commit, where it is known.
    public var revision: String?
    /// The build or job number, where it is known.
    public var build: String?
    /// The system that ran the job, such as `circleci` or `github-actions`.
    public var system: String?
    /// The name of the host that saved the entry.
    public var host: String?

    /// Creates a provenance.
    public init(
        template: String,
        parts: [Part] = [],
        files: [ChecksummedFile] = [],
        branch: String? = nil,
        revision: String? = nil,
        build: String? = nil,
        system: String? = nil,
        host: String? = nil
    ) {
        self.template = template
        self.parts = parts
        self.files = files
        self.branch = branch
        self.revision = revision
        self.build = build
        self.system = system
        self.host = host
    }
}

/// What a job saved under a key of a project and scope; immutable once committed.
public struct Entry: Hashable, Sendable, Codable {
    /// The entry's place in the strict sequence of commits: larger is newer.
    public var id: Int64
    /// The project it belongs to.
    public var project: ProjectName
    /// The scope it was saved in.
    public var scope: Scope
    /// The key it was saved under.
    public var key: CacheKey
    /// The saved paths, in the order in which they were given.
    public var layers: [Layer]
    /// How it came to be.
    public var provenance: Provenance
    /// When it was committed.
    public var createdAt: Timestamp
    /// When it was last restored or saved; written in batches, so a little late.
    public var lastUsedAt: Timestamp
    /// When it expires by itself, if it does.
    public var expiresAt: Timestamp?
    /// Whether eviction must leave it alone.
    public var isPinned: Bool
    /// When and why it stopped being visible; it can be brought back until its bytes are collected.
    public var removal: Removal?
    /// The signature that the client gave with it, if it did.
    public var signature: EntrySignature?

    /// Creates an entry.
    public init(
        id: Int64,
        project: ProjectName,
        scope: Scope,
        key: CacheKey,
        layers: [Layer],
        provenance: Provenance,
        createdAt: Timestamp,
        lastUsedAt: Timestamp,
        expiresAt: Timestamp? = nil,
        isPinned: Bool = false,
        removal: Removal? = nil,
        signature: EntrySignature? = nil
    ) {
        self.id = id
        self.project = project
        self.scope = scope
        self.key = key
        self.layers = layers
        self.provenance = provenance
        self.createdAt = createdAt
        self.lastUsedAt = lastUsedAt
        self.expiresAt = expiresAt
        self.isPinned = isPinned
        self.removal = removal
        self.signature = signature
    }

    /// The bytes of all layers' canonical tars.
    public var size: Int { self.layers.reduce(0) { $0 + $1.size } }
}

/// Why an entry is no longer visible.
public struct Removal: Hashable, Sendable, Codable {
    /// The reasons for which entries go.
    public enum Reason: String, Hashable, Sendable, Codable, CaseIterable {
        /// It was the least recently used when a budget was exceeded.
        case evicted
        /// Its time to live ended.
        case expired
        /// A person or a job removed it.
        case deleted
        /// A save with `--replace` put another in its place.
        case replaced
        /// Bytes it needs are missing or damaged.
        case damaged
    }

    /// When it went.
    public var at: Timestamp
    /// Why it went.
    public var reason: Reason

    /// Creates a removal.
    public init(at: Timestamp, reason: Reason) {
        self.at = at
        self.reason = reason
    }
}

public import CacheModel

/// One chunk of a layer: where its bytes come from and how to check them.
public struct ChunkReference: Hashable, Sendable {
    /// The digest of the raw bytes.
    public var digest: Digest
    /// The number of raw bytes.
    public var size: Int

    /// Creates a reference.
    public init(digest: Digest, size: Int) {
        self.digest = digest
        self.size = size
    }
}

/// What rebuilds a layer: its ordered chunks and its members.
///
/// A function of the layer's content: saving the same content twice gives the
/// same recipe, and so the same blob.
public struct Recipe: Hashable, Sendable {
    /// The format that this program writes.
    public static let format: UInt32 = 1
    /// The most raw bytes that a recipe's blob may have.
    public static let maximumBlobSize = 64 * 1_048_576
    /// The largest chunk that a reader accepts.
    public static let maximumChunkSize = 2 * 1_048_576

    /// The digest over the members and their content.
    public var treeDigest: Digest
    /// Bytes of the canonical tar.
    public var streamSize: Int
    /// The chunks of the canonical tar, in order.
    public var chunks: [ChunkReference]
    /// The members, in canonical order.
    public var members: MemberList
    /// The blob with the digest of each file.
    public var contentDigests: Digest

    /// Creates a recipe.
    public init(
        treeDigest: Digest,
        streamSize: Int,
        chunks: [ChunkReference],
        members: MemberList,
        contentDigests: Digest
    ) {
        self.treeDigest = treeDigest
        self.streamSize = streamSize
        self.chunks = chunks
        self.members = members
        self.contentDigests = contentDigests
    }

    /// Every blob that the recipe needs: the chunks in order and the content digests.
    public var blobs: [Digest] { self.chunks.map(\.digest) + [self.contentDigests] }
}

/// What is volatile about a layer and kept beside it.
public struct Stamps: Hashable, Sendable {
    /// The format that this program writes.
    public static let format: UInt32 = 1

    /// The source stamp that was taken out of a `.pyc` file.
    public struct PycStamp: Hashable, Sendable {
        /// The position of the file in the member list.
        public var member: Int
        /// Bytes 8..<12 of the file, as a little-endian number.
        public var value: UInt32

        /// Creates a stamp.
        public init(member: Int, value: UInt32) {
            self.member = member
            self.value = value
        }
    }

    /// Where a sparse file has data; everything else of it is a hole.
    public struct SparseFile: Hashable, Sendable {
        /// The position of the file in the member list.
        public var member: Int
        /// The ranges of bytes that are stored, in order.
        public var extents: [Range<Int>]

        /// Creates a map.
        public init(member: Int, extents: [Range<Int>]) {
            self.member = member
            self.extents = extents
        }
    }

    /// The modification time of each member in ns since 1970, in member order.
    public var mtimes: [Int64]
    /// The stamps of normalised `.pyc` files, in member order.
    public var pycStamps: [PycStamp]
    /// The maps of files with holes, in member order.
    public var sparseFiles: [SparseFile]

    /// Creates stamps.
    public init(mtimes: [Int64] = [], pycStamps: [PycStamp] = [], sparseFiles: [SparseFile] = []) {
        self.mtimes = mtimes
        self.pycStamps = pycStamps
        self.sparseFiles = sparseFiles
    }
}

/// An entry's own description: a blob from which a lost database is rebuilt.
public struct EntryRecord: Hashable, Sendable {
    /// The format that this program writes.
    public static let format: UInt32 = 1

    /// The project the entry belongs to.
    public var project: ProjectName
    /// The scope it was saved in.
    public var scope: Scope
    /// The key it was saved under.
    public var key: CacheKey
    /// When it was saved.
    public var createdAt: Timestamp
    /// When it expires, if it does.
    public var expiresAt: Timestamp?
    /// Its layers.
    public var layers: [Layer]
    /// How it came to be.
    public var provenance: Provenance
    /// The client's signature, if there is one.
    public var signature: EntrySignature?

    /// Creates a record.
    public init(
        project: ProjectName,
        scope: Scope,
        key: CacheKey,
        createdAt: Timestamp,
        expiresAt: Timestamp?,
        layers: [Layer],
        provenance: Provenance,
        signature: EntrySignature? = nil
    ) {
        self.project = project
        self.scope = scope
        self.key = key
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.layers = layers
        self.provenance = provenance
        self.signature = signature
    }
}

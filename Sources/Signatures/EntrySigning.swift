public import CacheModel
internal import LayerKernels

/// What a signature of an entry is about.
public struct SignedContent: Sendable {
    private var project: ProjectName
    private var scope: Scope
    private var key: CacheKey
    private var layers: [Layer]

    /// Creates the content from its parts.
    public init(project: ProjectName, scope: Scope, key: CacheKey, layers: [Layer]) {
        self.project = project
        self.scope = scope
        self.key = key
        self.layers = layers
    }

    /// The content of an entry.
    public init(_ entry: Entry) {
        self.init(project: entry.project, scope: entry.scope, key: entry.key, layers: entry.layers)
    }

    /// Signs.
    ///
    /// - Parameters:
    ///   - key: The secret.
    ///   - moment: When, by the client's clock.
    ///   - expiresAt: When the entry expires.
    ///   - producer: What made the entry.
    /// - Returns: The signature.
    /// - Throws: What the library throws when it has no memory.
    public func signed(
        with key: SigningKey,
        at moment: Timestamp,
        expiresAt: Timestamp?,
        producer: String
    ) throws -> EntrySignature {
        var signature = EntrySignature(
            key: key.publicKey.bytes,
            signature: HexadecimalBytes([]),
            createdAt: moment,
            expiresAt: expiresAt,
            producer: producer
        )
        signature.signature = try key.sign(self.message(signature))
        return signature
    }

    /// Whether a signature is about this content, and right with the key that it names.
    public func isSigned(by signature: EntrySignature) -> Bool {
        VerificationKey(bytes: signature.key).verifies(signature.signature, of: self.message(signature))
    }

    /// The message of docs/FORMAT.md.
    private func message(_ signature: EntrySignature) -> FramedMessage {
        var message = FramedMessage("tarn-entry-v1")
        message.append(self.project.description)
        message.append(self.scope.text)
        message.append(self.key.text)
        message.append(Int64(self.layers.count))
        for layer in self.layers {
            message.append(layer.path)
            message.append(layer.anchor.rawValue)
            message.append(layer.treeDigest)
            message.append(layer.recipe)
            message.append(layer.stamps)
            message.append(Int64(layer.size))
            message.append(Int64(layer.memberCount))
            message.append(Int64(layer.chunkCount))
        }
        message.append(self.layers.reduce(0) { $0 + Int64($1.size) })
        message.append(signature.createdAt.milliseconds)
        message.append(signature.expiresAt?.milliseconds)
        message.append(signature.producer)
        return message
    }
}

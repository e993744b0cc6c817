public import CacheModel
internal import LayerKernels

extension Receipt {
    /// Makes the receipt of the save that a row of the audit log tells of; the same row always gives the same receipt.
    ///
    /// - Returns: `nil` if the row does not tell of a save.
    /// - Throws: What the library throws when it has no memory.
    public init?(of row: AuditRow, signedWith key: SigningKey) throws {
        guard row.event.action == .saved, let entry = row.event.entry, let record = row.event.record else { return nil }
        self.init(
            entry: entry,
            project: row.event.project,
            scope: row.event.scope,
            key: row.event.key,
            actor: row.event.actor,
            at: row.event.at,
            record: record,
            audit: row.head,
            serverKey: key.publicKey.bytes,
            signature: HexadecimalBytes([])
        )
        self.signature = try key.sign(self.message)
    }

    /// Whether the receipt was signed with the secret of this key, and not changed since.
    public func isSigned(with key: VerificationKey) -> Bool { key.verifies(self.signature, of: self.message) }

    /// Whether the receipt is that of this entry.
    public func concerns(_ entry: Entry) -> Bool {
        self.entry == entry.id && self.project == entry.project.description && self.scope == entry.scope.text
            && self.key == entry.key.text
    }

    private var message: FramedMessage {
        var message = FramedMessage("tarn-receipt-v1")
        message.append(self.entry)
        message.append(self.project)
        message.append(self.scope)
        message.append(self.key)
        message.append(self.actor)
        message.append(self.at.milliseconds)
        message.append(self.record)
        message.append(self.audit.sequence)
        message.append(self.audit.hash)
        return message
    }
}

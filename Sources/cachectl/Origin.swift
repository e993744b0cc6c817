internal import CacheModel
internal import Signatures

/// Who wrote an entry, as far as it can be proved.
struct Origin: Encodable {
    /// The server's word.
    var receipt: Receipt?
    /// Whether it is signed with the server's key, and about this entry.
    var isReceiptRight: Bool?
    /// Whether the client's signature is that of the entry; whose key it is, only the reader knows.
    var isSignatureRight: Bool?

    /// Asks the server about an entry.
    ///
    /// - Parameters:
    ///   - entry: The entry.
    ///   - server: Who has it.
    ///   - pinned: The server's key as the caller knows it; `nil` to believe the server.
    /// - Throws: ``CacheModel/CacheError``.
    init(of entry: Entry, from server: Server, pinned: VerificationKey?) async throws {
        if let signature = entry.signature { self.isSignatureRight = SignedContent(entry).isSigned(by: signature) }
        guard let receipt = try await server.receipt(of: entry) else { return }
        let key: VerificationKey
        if let pinned {
            key = pinned
        } else {
            key = try await server.key()
        }
        self.receipt = receipt
        self.isReceiptRight = receipt.concerns(entry) && receipt.isSigned(with: key)
    }

    /// What people are told.
    func details(of entry: Entry) -> [(label: String, value: String)] {
        var details: [(label: String, value: String)] = []
        if let receipt = self.receipt {
            let verdict = self.isReceiptRight == true ? "receipt is right" : "THE RECEIPT IS WRONG"
            details.append(
                ("saved by", "\(receipt.actor) (\(verdict), row \(receipt.audit.sequence) of the audit log)")
            )
        }
        if let signature = entry.signature {
            let verdict = self.isSignatureRight == true ? "right" : "WRONG"
            details.append(
                (
                    "signed",
                    "\(signature.createdAt) by \(signature.producer), \(verdict) with "
                        + "\(VerificationKey(bytes: signature.key))"
                )
            )
        }
        return details
    }
}

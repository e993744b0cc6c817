internal import NativeAPI

extension Message {
    /// The messages about the audit log.
    static let audit = [
        Message(
            "AuditHead",
            "Where the audit log ends.",
            [.required("sequence", .integer), .required("hash", .digest)]
        ),
        Message(
            "AuditRow",
            "One thing that was done, chained to the row before it; texts that are empty are left out.",
            [
                .required("sequence", .integer), .required("at", .moment), .required("actor", .string),
                .required("action", .string), .optional("project", .string), .optional("scope", .string),
                .optional("key", .string), .optional("entry", .integer), .optional("record", .digest),
                .optional("bytes", .integer), .optional("detail", .string), .required("previous", .digest),
                .required("hash", .digest),
            ]
        ),
        Message(
            "AuditPage",
            "Rows of the audit log.",
            [
                .required("rows", .list(.reference("AuditRow"))), .required("anchor", .reference("AuditHead")),
                .required("head", .reference("AuditHead")),
            ]
        ),
        Message(
            "EntrySignature",
            "A client's Ed25519 signature of an entry; key and signature are hexadecimal.",
            [
                .required("key", .string), .required("signature", .string), .required("createdAt", .moment),
                .optional("expiresAt", .moment), .required("producer", .string),
            ]
        ),
        Message(
            "Receipt",
            "The server's signed word about who saved an entry, and where the audit log ended then.",
            [
                .required("entry", .integer), .required("project", .string), .required("scope", .string),
                .required("key", .string), .required("actor", .string), .required("at", .moment),
                .required("record", .digest), .required("audit", .reference("AuditHead")),
                .required("serverKey", .string), .required("signature", .string),
            ]
        ),
        Message(
            "ServerKeyResponse",
            "The public key that receipts are signed with, hexadecimal.",
            [.required("algorithm", .words(["ed25519"])), .required("key", .string)]
        ),
    ]
}

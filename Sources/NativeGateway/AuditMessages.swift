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
    ]
}

internal import CacheModel
internal import NativeAPI

extension Message {
    /// All messages of the document.
    static let all =
        Self.words + Self.restores + Self.saves + Self.questions + Self.server + Self.tokens + Self.audit

    private static let words = [
        Message(
            "Layer",
            "One saved path of an entry.",
            [
                .required("path", .string), .required("anchor", .words(Anchor.allCases.map(\.rawValue))),
                .required("treeDigest", .digest), .required("recipe", .digest), .required("stamps", .digest),
                .required("size", .integer), .required("memberCount", .integer), .required("chunkCount", .integer),
            ]
        ),
        Message(
            "Part",
            "One expanded part of a key template.",
            [.required("source", .string), .required("value", .string), .required("isLiteral", .boolean)]
        ),
        Message(
            "ChecksummedFile",
            "A file whose checksum is part of the key.",
            [.required("path", .string), .required("digest", .digest), .optional("text", .string)]
        ),
        Message(
            "Provenance",
            "How an entry came to be.",
            [
                .required("template", .string), .required("parts", .list(.reference("Part"))),
                .required("files", .list(.reference("ChecksummedFile"))), .optional("branch", .string),
                .optional("revision", .string), .optional("build", .string), .optional("system", .string),
                .optional("host", .string),
            ]
        ),
        Message(
            "Removal",
            "Why an entry is no longer visible.",
            [.required("at", .moment), .required("reason", .words(Removal.Reason.allCases.map(\.rawValue)))]
        ),
        Message(
            "Entry",
            "What a job saved under a key; immutable once committed.",
            [
                .required("id", .integer), .required("project", .string), .required("scope", .string),
                .required("key", .string), .required("layers", .list(.reference("Layer"))),
                .required("provenance", .reference("Provenance")), .required("createdAt", .moment),
                .required("lastUsedAt", .moment), .optional("expiresAt", .moment), .required("isPinned", .boolean),
                .optional("removal", .reference("Removal")), .optional("signature", .reference("EntrySignature")),
            ]
        ),
        Message(
            "ErrorResponse",
            "The body of every answer that is an error.",
            [.required("code", .string), .required("message", .string), .optional("requestID", .string)]
        ),
    ]

    private static let restores = [
        Message(
            "Pattern",
            "One key of a question.",
            [
                .required("key", .string), .optional("match", .words(["prefix", "exact"])),
                .optional("provenance", .reference("Provenance")),
            ]
        ),
        Message(
            "ResolveRequest",
            "A question for an entry.",
            [
                .required("keys", .list(.reference("Pattern"))), .optional("scope", .string),
                .optional("isDryRun", .boolean),
            ]
        ),
        Message(
            "MissExplanation",
            "Why a key was not found.",
            [
                .required("key", .string), .required("summary", .string), .optional("nearestKey", .string),
                .required("details", .list(.string)),
            ]
        ),
        Message(
            "ResolveResponse",
            "The entry, or why there is none.",
            [
                .optional("entry", .reference("Entry")), .optional("keyIndex", .integer),
                .optional("isExact", .boolean), .optional("lease", .string),
                .optional("explanations", .list(.reference("MissExplanation"))),
            ]
        ),
        Message("FetchBlobsRequest", "Asks for blobs.", [.required("digests", .list(.digest))]),
        Message("SuspectsRequest", "Names blobs that arrived wrong.", [.required("digests", .list(.digest))]),
        Message(
            "SuspectsResponse",
            "How many of them are damaged on the server's disk.",
            [.required("damaged", .integer)]
        ),
    ]

    private static let saves = [
        Message(
            "KnownTreesRequest",
            "Asks which trees the project has already.",
            [.required("session", .string), .required("trees", .list(.digest))]
        ),
        Message(
            "KnownTreesResponse",
            "For each tree the layer that has it, or null.",
            [.required("layers", .list(.nullable(.reference("Layer"))))]
        ),
        Message(
            "MissingBlobsRequest",
            "Asks which blobs must be uploaded.",
            [.required("session", .string), .required("digests", .list(.digest))]
        ),
        Message("MissingBlobsResponse", "The blobs to upload.", [.required("missing", .list(.digest))]),
        Message("StoredBlobsResponse", "What an upload of blobs did.", [.required("stored", .integer)]),
        Message(
            "CommitRequest",
            "Makes an entry visible.",
            [
                .required("session", .string), .required("layers", .list(.reference("Layer"))),
                .required("provenance", .reference("Provenance")), .optional("scope", .string),
                .optional("ttlSeconds", .integer), .optional("replace", .boolean),
                .optional("signature", .reference("EntrySignature")),
            ]
        ),
        Message(
            "CommitResponse",
            "What a commit did.",
            [
                .required("outcome", .words(["saved", "exists"])), .required("entry", .reference("Entry")),
                .required("isSameContent", .boolean), .optional("receipt", .reference("Receipt")),
            ]
        ),
    ]

    private static let questions = [
        Message(
            "EntriesResponse",
            "A page of entries.",
            [.required("entries", .list(.reference("Entry"))), .optional("cursor", .string)]
        ),
        Message(
            "ChangeRequest",
            "Removes, brings back, pins or unpins entries.",
            [
                .required("action", .words(["remove", "restore", "pin", "unpin"])), .optional("key", .string),
                .optional("prefix", .string), .optional("scope", .string), .optional("isDryRun", .boolean),
            ]
        ),
        Message(
            "ChangeResponse",
            "The entries that a change changed, or would change.",
            [.required("entries", .list(.reference("Entry"))), .optional("undoUntil", .moment)]
        ),
        Message(
            "Event",
            "One line of a key's history.",
            [
                .required("key", .string), .required("scope", .string), .required("kind", .string),
                .required("at", .moment), .required("detail", .string),
            ]
        ),
        Message("HistoryResponse", "What happened to a key.", [.required("events", .list(.reference("Event")))]),
        Message(
            "Family",
            "Figures of one key family.",
            [.required("project", .string), .required("family", .string)]
                + [
                    "exactHits", "prefixHits", "misses", "saves", "knownSaves", "bytesSent", "bytesReceived",
                ].map { .required($0, .integer) }
        ),
        Message(
            "StatisticsResponse",
            "Figures of a project or of the whole server.",
            [
                "entries", "pinnedEntries", "removedEntries", "layers", "blobs", "logicalBytes", "rawBytes",
                "storedBytes",
            ].map { .required($0, .integer) } + [
                .optional("maximumBytes", .integer), .required("removals", .map(.integer)),
                .required("families", .list(.reference("Family"))),
            ]
        ),
    ]

    private static let actions = Schema.list(
        .words(["read", "list", "save", "replace", "remove", "pin", "audit", "administer"])
    )

    private static let tokens = [
        Message("ExchangeRequest", "Exchanges an identity token.", [.required("token", .string)]),
        Message(
            "ExchangeResponse",
            "A job's session; nothing on a server that needs none.",
            [
                .optional("token", .string), .optional("expiresAt", .moment), .optional("project", .string),
                .optional("scope", .string), .optional("tier", .string),
            ]
        ),
        Message(
            "MakeTokenRequest",
            "Makes a token.",
            [
                .required("name", .string), .required("role", .words(["job", "developer", "auditor", "admin"])),
                .required("projects", .string), .optional("scope", .string), .optional("actions", Self.actions),
                .optional("ttlSeconds", .integer),
            ]
        ),
        Message(
            "TokenDescription",
            "A token without its secret.",
            [
                .required("id", .string), .required("name", .string), .required("role", .string),
                .required("projects", .string), .required("scope", .string), .required("actions", Self.actions),
                .required("createdAt", .moment), .required("expiresAt", .moment), .optional("revokedAt", .moment),
                .optional("lastUsedAt", .moment),
            ]
        ),
        Message(
            "MakeTokenResponse",
            "A token that was made; nobody can see it again.",
            [.required("token", .string), .required("description", .reference("TokenDescription"))]
        ),
        Message("TokensResponse", "All tokens.", [.required("tokens", .list(.reference("TokenDescription")))]),
        Message(
            "WhoAmIResponse",
            "Who the sender of a request is, and in which scopes of a project.",
            [
                .required("name", .string), .required("tier", .string), .required("rule", .string),
                .required("projects", .string), .required("actions", Self.actions), .optional("project", .string),
                .optional("mode", .words(["shared", "isolated"])), .optional("scope", .string),
                .optional("readChain", .list(.string)),
            ]
        ),
        Message(
            "Job",
            "A job as its CI system would vouch for it.",
            [
                .required("project", .string), .optional("branch", .string), .optional("tag", .string),
                .optional("pullRequest", .string), .optional("base", .string), .optional("isFork", .boolean),
                .optional("isTrusted", .boolean),
            ]
        ),
        Message(
            "ExplainRequest",
            "Asks what the policy says.",
            [
                .required("action", .string), .optional("project", .string), .optional("scope", .string),
                .optional("token", .string), .optional("job", .reference("Job")), .optional("claims", .string),
                .optional("issuer", .string),
            ]
        ),
        Message(
            "ExplainResponse",
            "What the policy says.",
            [
                .required("isAllowed", .boolean), .required("rule", .string), .required("reason", .string),
                .required("principal", .reference("WhoAmIResponse")),
            ]
        ),
    ]

    private static let server = [
        Message("CollectRequest", "Runs the collector.", [.optional("isDryRun", .boolean)]),
        Message(
            "CollectResponse",
            "What the collector did.",
            ["removedEntries", "deletedBlobs", "freedBytes", "storedBytes"].map { .required($0, .integer) }
        ),
        Message(
            "CheckRequest",
            "Checks the store.",
            [.optional("readData", .boolean), .optional("repair", .boolean), .optional("subset", .string)]
        ),
        Message(
            "CheckResponse",
            "What a check found.",
            [
                .required("checkedBlobs", .integer), .required("checkedBytes", .integer),
                .required("problems", .list(.string)), .required("repaired", .integer),
            ]
        ),
        Message(
            "Health",
            "That the process is alive.",
            [.required("status", .string), .required("version", .string), .required("sqlite", .string)]
        ),
        Message(
            "Readiness",
            "Whether the server can serve.",
            [.required("status", .string), .required("problems", .list(.string))]
        ),
    ]
}

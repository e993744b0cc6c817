internal import CacheClient
internal import CacheModel
internal import CommandLineKit

/// The one JSON object that `--json` prints.
struct SaveDocument: Encodable {
    struct SavedLayer: Encodable {
        var path: String
        var treeDigest: Digest
        var recipe: Digest
        var size: Int
    }

    var outcome: String
    var key: CacheKey?
    var bytesUploaded = 0
    var chunksUploaded = 0
    var chunksTotal = 0
    var layers: [SavedLayer] = []
    var seconds = 0.0
    /// With `exists`: whether the entry that is there has the same content, if it was compared.
    var sameContent: Bool?
    /// With `refused`: why.
    var reason: String?
    /// With `refused`: the files that seem to hold secrets, if that is why.
    var secrets: [SecretsReport.Finding]?

    init(_ result: SaveResult) {
        switch result.outcome {
        case .saved: self.outcome = "saved"
        case .known: self.outcome = "known"
        case .exists(_, let isSameContent):
            self.outcome = "exists"
            self.sameContent = isSameContent
        case .refused(let reason):
            self.outcome = "refused"
            self.reason = reason
        case .holdsSecrets(let secrets):
            self.outcome = "refused"
            self.reason = SecretsReport.reason
            self.secrets = SecretsReport.findings(secrets)
        }
        self.key = result.key
        self.bytesUploaded = result.bytesUploaded
        self.chunksUploaded = result.chunksUploaded
        self.chunksTotal = result.chunksTotal
        self.layers = result.layers.map {
            SavedLayer(path: $0.path, treeDigest: $0.treeDigest, recipe: $0.recipe, size: $0.size)
        }
        self.seconds = result.duration.seconds
    }

    init(refusedFor reason: String, key: CacheKey? = nil) {
        self.outcome = "refused"
        self.key = key
        self.reason = reason
    }
    private enum Field: String, CodingKey {
        case outcome, key, bytesUploaded, chunksUploaded, chunksTotal, layers, seconds, sameContent, reason
        case secrets
    }

    /// Writes `key` also where there is none, so that a script finds `null` and not nothing.
    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Field.self)
        try fields.encode(self.outcome, forKey: .outcome)
        try fields.encode(self.key, forKey: .key)
        try fields.encode(self.bytesUploaded, forKey: .bytesUploaded)
        try fields.encode(self.chunksUploaded, forKey: .chunksUploaded)
        try fields.encode(self.chunksTotal, forKey: .chunksTotal)
        try fields.encode(self.layers, forKey: .layers)
        try fields.encode(self.seconds, forKey: .seconds)
        try fields.encodeIfPresent(self.sameContent, forKey: .sameContent)
        try fields.encodeIfPresent(self.reason, forKey: .reason)
        try fields.encodeIfPresent(self.secrets, forKey: .secrets)
    }
}

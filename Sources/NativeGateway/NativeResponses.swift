internal import AccessPolicy
internal import CacheModel
internal import CacheService
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
package import NativeAPI
package import StorageInterface

// Domain values as the native API's messages; pure.

extension Response {
    /// A JSON message.
    static func json(_ message: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        Response(
            status: status,
            headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: try NativeJSON.encode(message)))
        )
    }

    /// 204.
    static var noContent: Response { Response(status: .noContent) }
}

extension CommitResponse {
    init(_ outcome: SaveOutcome) {
        self.init(
            outcome: outcome.isNew ? .saved : .exists,
            entry: outcome.entry,
            isSameContent: outcome.isSameContent,
            receipt: outcome.receipt
        )
    }
}

extension HistoryResponse.Event {
    init(_ event: HistoryEvent) {
        let kind =
            switch event.kind {
            case .saved: "saved"
            case .removed(let reason): reason.rawValue
            case .restoredByHand: "brought-back"
            }
        self.init(key: event.key, scope: event.scope, kind: kind, at: event.at, detail: event.detail)
    }
}

extension MissExplanation {
    init(_ story: MissStory, of key: CacheKey) {
        self.init(key: key, summary: story.summary, nearestKey: story.nearestKey, details: story.details)
    }
}

extension StatisticsResponse {
    init(_ statistics: Statistics, maximumBytes: Int?) {
        let families = statistics.families.sorted {
            ($0.key.project.description, $0.key.name) < ($1.key.project.description, $1.key.name)
        }
        self.init(
            entries: statistics.entries,
            pinnedEntries: statistics.pinnedEntries,
            removedEntries: statistics.removedEntries,
            layers: statistics.layers,
            blobs: statistics.blobs,
            logicalBytes: statistics.logicalBytes,
            rawBytes: statistics.rawBytes,
            storedBytes: statistics.storedBytes,
            maximumBytes: maximumBytes,
            removals: Dictionary(uniqueKeysWithValues: statistics.removals.map { ($0.key.rawValue, $0.value) }),
            families: families.map { Family($0.key, $0.value) }
        )
    }
}

extension StatisticsResponse.Family {
    init(_ family: Traffic.Family, _ counts: Traffic.Counts) {
        self.init(
            project: family.project,
            family: family.name,
            exactHits: counts.exactHits,
            prefixHits: counts.prefixHits,
            misses: counts.misses,
            saves: counts.saves,
            knownSaves: counts.knownSaves,
            bytesSent: counts.bytesSent,
            bytesReceived: counts.bytesReceived
        )
    }
}

extension TokenDescription {
    /// A token without its secret.
    package init(_ record: TokenRecord) {
        self.init(
            id: record.id,
            name: record.name,
            role: record.grant.role.rawValue,
            projects: record.grant.projects.description,
            scope: record.grant.scope.text,
            actions: AccessAction.allCases.filter(record.grant.actions.contains).map(\.rawValue),
            createdAt: record.createdAt,
            expiresAt: record.expiresAt,
            revokedAt: record.revokedAt,
            lastUsedAt: record.lastUsedAt
        )
    }
}

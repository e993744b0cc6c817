internal import CacheModel
internal import CacheService
internal import GatewayKit
internal import NativeAPI
internal import StorageInterface

// The native API's messages as domain values; pure.

extension ResolveRequest {
    /// The question, looked for in the given scope first and in the shared one after that.
    func query(in project: ProjectName) throws -> KeyQuery {
        guard (1...KeyQuery.maximumPatterns).contains(self.keys.count) else {
            throw CacheError(
                .invalidRequest,
                "a question has 1 to \(KeyQuery.maximumPatterns) keys, not \(self.keys.count)"
            )
        }
        var scopes = [self.scope ?? .shared]
        if scopes != [.shared] { scopes.append(.shared) }
        return KeyQuery(self.keys.map { KeyPattern($0.key, match: $0.match ?? .prefix) }, in: project, scopes: scopes)
    }

    /// The key families that the keys belong to.
    var families: [String] { self.keys.map { $0.provenance?.template ?? $0.key.text } }
}

extension CommitRequest {
    /// What to save under `key`.
    func saveRequest(_ key: CacheKey, by saver: Saver) -> SaveRequest {
        SaveRequest(
            project: saver.vantage.project,
            scope: saver.scope ?? self.scope ?? .shared,
            key: key,
            layers: self.layers,
            provenance: self.provenance,
            timeToLive: self.ttlSeconds.map { .seconds($0) },
            onConflict: self.replace == true ? .replace : .keep,
            session: saver.session,
            scopes: saver.vantage.scopes,
            owner: saver.owner
        )
    }
}

extension ChangeRequest {
    /// The change; exactly one of `key` and `prefix` says of what.
    func change(in project: ProjectName) throws -> EntryChange {
        let target: EntryChange.Target
        switch (self.key, self.prefix) {
        case (let key?, nil): target = .key(key)
        case (nil, let prefix?): target = .prefix(prefix)
        default: throw CacheError(.invalidRequest, "give either 'key' or 'prefix', and not both")
        }
        let action: EntryChange.Action =
            switch self.action {
            case .remove: .remove(.deleted)
            case .restore: .restore
            case .pin: .pin
            case .unpin: .unpin
            }
        return EntryChange(action, target, in: project, scope: self.scope, isDryRun: self.isDryRun ?? false)
    }
}

extension NativeCall {
    /// Which entries to list.
    func entryFilter(in project: ProjectName?, scopes: [Scope]?) throws -> EntryFilter {
        EntryFilter(
            project: project,
            scope: try self.scope(),
            scopes: scopes,
            prefix: self.query["prefix"] ?? "",
            includesRemoved: try self.query.flag("removed"),
            cursor: self.query["cursor"],
            limit: try self.query.number("limit", in: 1...1_000, default: 100)
        )
    }

    /// What to make of an uploaded tar.
    func tarUpload() throws -> TarUpload {
        guard try self.layerIndex() == 0 else {
            throw CacheError(.invalidRequest, "an uploaded tar makes an entry of one layer; upload it as layers/0")
        }
        var life: Duration?
        if let text = self.query["ttl"] {
            guard let duration = Quantity.duration(text) else {
                throw CacheError(
                    .invalidRequest,
                    "query parameter 'ttl' is '\(text)', expected something like 7d or 36h"
                )
            }
            life = duration
        }
        return TarUpload(
            project: try self.project(),
            scope: try self.scope() ?? .shared,
            key: try self.key(),
            path: self.query["path"],
            anchor: try self.query.choice("anchor") ?? .workdir,
            timeToLive: life,
            onConflict: try self.query.flag("replace") ? .replace : .keep,
            scopes: try self.vantage().scopes
        )
    }
}

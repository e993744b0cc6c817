internal import CacheModel
internal import CacheService
internal import GatewayKit
internal import HTTPTypes
internal import Hummingbird
internal import NativeAPI
internal import StorageInterface

extension NativeGateway {
    private static var listing: [Endpoint.Parameter] {
        [
            .query("prefix", .string, "Only keys that start with this."),
            .query("scope", .string, "Only entries of this scope."),
            .query("cursor", .string, "The cursor of the page before."),
            .query("limit", .range(1...1_000), "The most entries of the page; 100 unless told otherwise."),
            .query("removed", .boolean, "Whether to list removed entries, too."),
        ]
    }

    /// What people do with entries.
    var entryEndpoints: [Endpoint] {
        let project = Endpoint.Parameter.project
        return [
            Endpoint(
                method: .get,
                path: "/v1/projects/{owner}/{name}/entries",
                operation: "listEntries",
                summary: "Lists the project's entries in the order of their keys.",
                parameters: project + Self.listing,
                success: .ok("EntriesResponse", "A page of entries."),
                errors: [400],
                handler: self.listEntries
            ),
            Endpoint(
                method: .get,
                path: "/v1/projects/{owner}/{name}/entries/{key}",
                operation: "entry",
                summary: "The visible entry with exactly this key.",
                parameters: project + [.key, .scope],
                success: .ok("Entry", "The entry."),
                errors: [400, 404],
                handler: self.entry
            ),
            Endpoint(
                method: .delete,
                path: "/v1/projects/{owner}/{name}/entries/{key}",
                operation: "removeEntry",
                summary: "Removes an entry; it can be brought back for a time.",
                parameters: project + [
                    .key, .query("scope", .string, "The entry's scope; all scopes unless told otherwise."),
                ],
                success: .ok("ChangeResponse", "The entries that were removed; none if there were none."),
                errors: [400],
                handler: self.removeEntry
            ),
            Endpoint(
                method: .post,
                path: "/v1/projects/{owner}/{name}/changes",
                operation: "changeEntries",
                summary: "Removes, brings back, pins or unpins entries by key or prefix.",
                parameters: project,
                request: .message("ChangeRequest"),
                success: .ok("ChangeResponse", "The entries that were changed, or would be."),
                errors: [400, 413],
                handler: self.changeEntries
            ),
            Endpoint(
                method: .get,
                path: "/v1/projects/{owner}/{name}/history",
                operation: "history",
                summary: "What happened to a key and to keys that start with it, newest first.",
                parameters: project + [
                    .query("key", .string, "The key.", isRequired: true),
                    .query("limit", .range(1...1_000), "The most events; 100 unless told otherwise."),
                ],
                success: .ok("HistoryResponse", "The events."),
                errors: [400],
                handler: self.history
            ),
            Endpoint(
                method: .get,
                path: "/v1/projects/{owner}/{name}/statistics",
                operation: "projectStatistics",
                summary: "Figures of the project.",
                parameters: project,
                success: .ok("StatisticsResponse", "The figures."),
                errors: [400],
                handler: self.projectStatistics
            ),
            Endpoint(
                method: .get,
                path: "/v1/entries",
                operation: "listAllEntries",
                summary: "Lists the entries of all projects.",
                parameters: [.query("project", .string, "Only entries of this project, as owner/name.")] + Self.listing,
                success: .ok("EntriesResponse", "A page of entries."),
                errors: [400],
                handler: self.listAllEntries
            ),
        ]
    }

    @Sendable private func listEntries(_ call: NativeCall) async throws -> Response {
        let page = try await self.service.entries(call.entryFilter(in: call.project(), scopes: call.vantage().scopes))
        return try .json(EntriesResponse(entries: page.entries, cursor: page.cursor))
    }

    @Sendable private func listAllEntries(_ call: NativeCall) async throws -> Response {
        let project = try call.query["project"].map { try ProjectName($0) }
        let page = try await self.service.entries(call.entryFilter(in: project, scopes: nil))
        return try .json(EntriesResponse(entries: page.entries, cursor: page.cursor))
    }

    @Sendable private func entry(_ call: NativeCall) async throws -> Response {
        try .json(try await self.service.entry(call.key(), in: call.project(), scope: call.scope() ?? .shared))
    }

    @Sendable private func removeEntry(_ call: NativeCall) async throws -> Response {
        let change = EntryChange(
            .remove(.deleted),
            .key(try call.key()),
            in: try call.project(),
            scope: try call.scope()
        )
        return try await self.carryOut(change)
    }

    @Sendable private func changeEntries(_ call: NativeCall) async throws -> Response {
        try await self.carryOut(call.message(ChangeRequest.self).change(in: call.project()))
    }

    private func carryOut(_ change: EntryChange) async throws -> Response {
        let entries = try await self.service.change(change)
        var undoUntil: Timestamp?
        if case .remove = change.action, !entries.isEmpty { undoUntil = .current + self.service.undoTime }
        return try .json(ChangeResponse(entries: entries, undoUntil: undoUntil))
    }

    @Sendable private func history(_ call: NativeCall) async throws -> Response {
        guard let text = call.query["key"] else {
            throw CacheError(.invalidRequest, "query parameter 'key' is missing")
        }
        let events = try await self.service.history(
            of: NativeCall.key(text),
            in: call.vantage(),
            limit: call.query.number("limit", in: 1...1_000, default: 100)
        )
        return try .json(HistoryResponse(events: events.map(HistoryResponse.Event.init)))
    }

    @Sendable private func projectStatistics(_ call: NativeCall) async throws -> Response {
        let statistics = try await self.service.statistics(of: call.project())
        return try .json(StatisticsResponse(statistics, maximumBytes: self.service.maximumBytes))
    }
}

internal import CacheModel
internal import CommandLineKit
internal import NativeAPI

/// Makes one change to all entries that some arguments mean.
///
/// Each argument is one request: one that fails leaves the others done, and the command ends as partial.
struct EntryChanges: Sendable {
    var action: ChangeRequest.Action
    var isDryRun: Bool

    /// Makes the change and tells about it.
    ///
    /// - Throws: ``CommandFailure``: not found if no argument met an entry, partial if only some did.
    func run(_ patterns: [KeyArgument], with session: Session) async throws {
        var result = ChangeResponse(entries: [])
        var missed: [String] = []
        for pattern in patterns {
            do {
                let response = try await self.change(pattern, with: session)
                result.entries += response.entries
                result.undoUntil = response.undoUntil ?? result.undoUntil
                if response.entries.isEmpty { missed.append(self.missing(pattern)) }
            } catch let error as CacheError where error.code == .notFound {
                missed.append(self.missing(pattern))
            }
        }
        try self.tell(result, with: session)
        guard !missed.isEmpty else { return }
        throw CommandFailure(result.entries.isEmpty ? .notFound : .partial, missed.joined(separator: "; "))
    }

    private func change(_ pattern: KeyArgument, with session: Session) async throws -> ChangeResponse {
        switch pattern {
        case .key(let key): try await session.server.change(self.request(key: key))
        case .prefix(let prefix): try await session.server.change(self.request(prefix: prefix))
        case .everything: try await self.changeEverything(with: session)
        }
    }

    private func request(key: CacheKey? = nil, prefix: CacheKey? = nil) -> ChangeRequest {
        ChangeRequest(action: self.action, key: key, prefix: prefix, isDryRun: self.isDryRun ? true : nil)
    }

    /// Changes key by key: the API has no prefix that means all of a project, on purpose.
    private func changeEverything(with session: Session) async throws -> ChangeResponse {
        let bringsBack = self.action == .restore
        let entries = try await session.server.allEntries(EntryQuery(includesRemoved: bringsBack))
        var seen: Set<CacheKey> = []
        var result = ChangeResponse(entries: [])
        for entry in entries where (entry.removal != nil) == bringsBack && seen.insert(entry.key).inserted {
            do {
                let response = try await session.server.change(self.request(key: entry.key))
                result.entries += response.entries
                result.undoUntil = response.undoUntil ?? result.undoUntil
            } catch let error as CacheError where error.code == .notFound {
                // Somebody else was faster, or its bytes are gone.
                continue
            }
        }
        return result
    }

    private func missing(_ pattern: KeyArgument) -> String {
        let what = self.action == .restore ? "removed entry that can be brought back" : "entry"
        return switch pattern {
        case .key(let key): "there is no \(what) '\(key)'; 'cachectl why' tells its history"
        case .prefix(let prefix): "there is no \(what) whose key starts with '\(prefix)'"
        case .everything: "there is no \(what)"
        }
    }

    private func tell(_ result: ChangeResponse, with session: Session) throws {
        if session.wantsJSON { return try session.output.json(Document(isDryRun: self.isDryRun, result: result)) }
        for entry in result.entries {
            let text = "\(self.verb) '\(entry.key)' (\(Quantity.describe(bytes: entry.size)))"
            try session.output.line(OutputText.escaped(text))
        }
        if let until = result.undoUntil, self.action == .remove, !self.isDryRun, !result.entries.isEmpty {
            try session.output.line("'cachectl rm --undo' brings back what was removed, until \(until)")
        }
    }

    private var verb: String {
        switch self.action {
        case .remove: self.isDryRun ? "would remove" : "removed"
        case .restore: self.isDryRun ? "would bring back" : "brought back"
        case .pin: self.isDryRun ? "would pin" : "pinned"
        case .unpin: self.isDryRun ? "would unpin" : "unpinned"
        }
    }

    private struct Document: Encodable {
        var isDryRun: Bool
        var entries: [Entry]
        var undoUntil: Timestamp?

        init(isDryRun: Bool, result: ChangeResponse) {
            self.isDryRun = isDryRun
            self.entries = result.entries
            self.undoUntil = result.undoUntil
        }
    }
}

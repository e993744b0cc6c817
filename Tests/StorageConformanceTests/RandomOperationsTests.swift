import CacheModel
import LayerKernels
import MemoryStorage
import StorageInterface
import Testing

/// A random number generator that repeats itself for a seed.
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var word = self.state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}

struct RandomOperationsTests {
    private static let seeds: [UInt64] = [1, 2, 3, .random(in: 100...(.max))]

    /// An operation as both catalogs answered it, without the identifiers that they choose themselves.
    @Test(arguments: Self.seeds)
    func `SQLite answers any sequence of operations as the model does, and its sums never drift`(
        _ seed: UInt64
    ) async throws {
        var random = SeededGenerator(state: seed)
        let (real, model) = (try Bench(.sqlite), try Bench(.memory))
        var (realEnd, modelEnd) = (AuditHead.empty, AuditHead.empty)
        for step in 1...400 {
            let operation = Operation.random(at: Int64(step), using: &random)
            let (actual, expected) = (try await operation.run(on: real), try await operation.run(on: model))
            try #require(actual == expected, "seed \(seed), step \(step): \(operation)")
            let (log, expectedLog) = (try await Self.log(of: real, &realEnd), try await Self.log(of: model, &modelEnd))
            try #require(log == expectedLog, "seed \(seed), step \(step): \(operation)")
            guard step % 40 == 0 else { continue }
            #expect(try await real.catalog.check() == [], "seed \(seed), step \(step): \(operation)")
            let figures = try await real.catalog.statistics(of: nil)
            #expect(try await model.catalog.statistics(of: nil) == figures, "seed \(seed), step \(step)")
            let own = try await real.catalog.statistics(of: real.project)
            #expect(try await model.catalog.statistics(of: real.project) == own, "seed \(seed), step \(step)")
            let blobs = try await real.catalog.allBlobs(after: nil, limit: 1_000)
            #expect(try await model.catalog.allBlobs(after: nil, limit: 1_000) == blobs, "seed \(seed), step \(step)")
            let held = try await real.catalog.unprotectedBytes()
            #expect(try await model.catalog.unprotectedBytes() == held, "seed \(seed), step \(step)")
        }
    }
}

/// Where a job saves to, what it sees, and what it uploads.
private struct Eyes: CustomStringConvertible {
    static let all: [Scope] = [.shared, .of("branch/main"), .of("pr/1"), .of("pr/2")]

    var scope: Scope
    var scopes: [Scope]?
    var uploads: [String]

    static func random(using random: inout SeededGenerator) -> Self {
        let scope = Self.all.randomElement(using: &random) ?? .shared
        let chain: [Scope] = scope == .shared ? [.shared] : [scope, .of("branch/main")]
        let all = ["chunk", "recipe", "stamps"]
        let uploads = Int.random(in: 0..<4, using: &random) == 0 ? [all.randomElement(using: &random) ?? ""] : all
        return Self(scope: scope, scopes: Bool.random(using: &random) ? nil : chain, uploads: uploads)
    }

    func session(_ id: String, of bench: Bench, until end: Int64) -> SaveSession {
        bench.session(id, scopes: self.scopes, scope: self.scope, until: end)
    }

    var description: String { "\(self.scope) sees \(String(describing: self.scopes)) uploads \(self.uploads)" }
}

extension RandomOperationsTests {
    /// What was added to the audit log, without what the catalogs choose themselves; checks that it is a chain.
    private static func log(of bench: Bench, _ end: inout AuditHead) async throws -> [String] {
        let page = try await bench.catalog.auditPage(AuditFilter(after: end.sequence, limit: 10_000))
        var chain = AuditChain(after: end)
        for row in page.rows { try chain.append(row) }
        try chain.finish(at: page.head)
        end = page.head
        return page.rows.map(\.event).map { event in
            "\(event.actor) \(event.action.rawValue) \(event.project) \(event.scope) \(event.key) "
                + "\(event.record.map { "\($0)" } ?? "") \(event.bytes ?? -1) \(event.detail)"
        }.sorted()
    }
}

private enum Operation {
    case save(key: String, content: String, expires: Int64?, replace: Bool, other: Bool, Eyes, at: Int64)
    case resolve(String, at: Int64)
    case change(EntryChange.Action, prefix: String, at: Int64)
    case use(String, at: Int64)
    case evict(
        budget: Int?,
        projectBudget: Int?,
        entries: Int?,
        unprotected: Int?,
        spares: Bool,
        undo: Int64,
        at: Int64
    )
    case collect(leased: String, at: Int64)
    case known(String, Eyes, at: Int64)
    case pin(String, Eyes, at: Int64)
    case look(String, Eyes)
    case lose(String, at: Int64)
    case heal(String, at: Int64)

    static func random(at now: Int64, using random: inout SeededGenerator) -> Self {
        let key = "k\(Int.random(in: 0..<4, using: &random))-\(Int.random(in: 0..<4, using: &random))"
        let content = "c\(Int.random(in: 0..<8, using: &random))"
        let prefix = String(key.prefix(Int.random(in: 1...4, using: &random)))
        switch Int.random(in: 0..<22, using: &random) {
        case 0..<7:
            return .save(
                key: key,
                content: content,
                expires: Bool.random(using: &random) ? nil : now + Int64.random(in: 1...50, using: &random),
                replace: Bool.random(using: &random),
                other: Int.random(in: 0..<4, using: &random) == 0,
                Eyes.random(using: &random),
                at: now
            )
        case 7, 8: return .resolve(prefix, at: now)
        case 9:
            let actions: [EntryChange.Action] = [.remove(.deleted), .restore, .pin, .unpin, .unpin]
            return .change(actions.randomElement(using: &random) ?? .pin, prefix: prefix, at: now)
        case 10, 11: return .use(prefix, at: now)
        case 12:
            return .evict(
                budget: Bool.random(using: &random) ? nil : Int.random(in: 0...900, using: &random),
                projectBudget: Bool.random(using: &random) ? nil : Int.random(in: 0...900, using: &random),
                entries: Bool.random(using: &random) ? nil : Int.random(in: 0...12, using: &random),
                unprotected: Bool.random(using: &random) ? nil : Int.random(in: 0...400, using: &random),
                spares: Bool.random(using: &random),
                undo: now - 30,
                at: now
            )
        case 13, 14: return .collect(leased: content, at: now)
        case 15: return .known(content, Eyes.random(using: &random), at: now)
        case 16: return .pin(content, Eyes.random(using: &random), at: now)
        case 19, 20: return .look(content, Eyes.random(using: &random))
        case 17, 18: return .heal(content, at: now)
        default: return .lose(content, at: now)
        }
    }

    /// What happened, in words that do not depend on the catalog.
    func run(on bench: Bench) async throws -> [String] {
        let catalog = bench.catalog
        switch self {
        case .save(let key, let content, let expires, let replace, let other, let eyes, let now):
            do {
                let outcome = try await bench.save(
                    key,
                    content: content,
                    stored: 50 + content.utf8.reduce(0) { $0 + Int($1) } % 90,
                    size: content > "c3" ? 20_000_000 : 1_000,
                    at: now,
                    expires: expires,
                    onConflict: replace ? .replace : .keep,
                    scope: eyes.scope,
                    sees: eyes.scopes,
                    uploads: eyes.uploads,
                    in: other ? try ProjectName("acme/other") : nil
                )
                switch outcome {
                case .committed(let entry, _): return ["committed"] + Self.words([entry])
                case .exists(let entry): return ["exists"] + Self.words([entry])
                }
            } catch let error as CacheError {
                return ["refused \(error.code)"]
            }
        case .resolve(let prefix, let now):
            let found = try await bench.resolve(prefix, scopes: Eyes.all, at: Timestamp(milliseconds: now))
            return Self.words(found.map { [$0.entry] } ?? [])
        case .change(let action, let prefix, let now):
            let change = EntryChange(action, .prefix(try CacheKey(prefix)), in: bench.project, scope: nil)
            return Self.words(try await catalog.change(change, at: Timestamp(milliseconds: now), actor: "bob"))
        case .use(let prefix, let now):
            guard let found = try await bench.resolve(prefix, scopes: Eyes.all, at: Timestamp(milliseconds: now)) else {
                return []
            }
            var traffic = Traffic()
            traffic.uses[found.entry.id] = Timestamp(milliseconds: now)
            try await catalog.note(traffic)
            return Self.words([found.entry])
        case .evict(let budget, let projectBudget, let entries, let unprotected, let spares, let undo, let now):
            let report = try await bench.evict(
                budget: budget,
                projectBudget: projectBudget,
                projectEntries: entries,
                unprotectedBudget: unprotected,
                evictsProtected: !spares,
                undo: Timestamp(milliseconds: undo),
                at: Timestamp(milliseconds: now),
                limit: 1_000
            )
            return Self.words(report.removed).sorted() + ["\(report.forgotten) \(report.isOverBudget)"]
        case .collect(let leased, let now):
            let gone = try await bench.collect(except: [digest("recipe \(leased)")], at: Timestamp(milliseconds: now))
            return gone.map { "\($0)" }.sorted()
        case .known(let content, let eyes, let now):
            let session = eyes.session("known \(now)", of: bench, until: now + 20)
            let known = try await catalog.knownLayer(digest("tree \(content)"), for: session)
            let seen = try await catalog.blobs([digest("chunk \(content)")], in: session.vantage, session: session)
            return ["\(String(describing: known)) \(seen.count)"]
        case .pin(let content, let eyes, let now):
            let wanted = ["chunk", "recipe", "stamps"].map { digest("\($0) \(content)") }
            let session = eyes.session("pin \(now)", of: bench, until: now + 20)
            return try await catalog.pin(wanted, for: session).map { "\($0)" }
        case .look(let content, let eyes):
            let vantage = Vantage(bench.project, scopes: eyes.scopes)
            let wanted = ["chunk", "recipe", "stamps"].map { digest("\($0) \(content)") }
            let blobs = try await catalog.blobs(wanted, in: vantage, session: nil)
            let relatives = try await catalog.relatives(ofTemplate: "t-{{ .Branch }}", in: vantage, limit: 5)
            let events = try await catalog.history(of: try CacheKey("k"), in: vantage, limit: 5)
            let listed = try await catalog.entries(EntryFilter(project: bench.project, scopes: eyes.scopes))
            return wanted.map { "\(String(describing: blobs[$0]))" } + Self.words(relatives)
                // Not their times: what is healed is healed at the moment of the clock, which two catalogs ask in turn.
                + events.map { "\($0.key) \($0.scope) \($0.kind)" } + Self.words(listed.entries)
        case .lose(let content, let now):
            let lost = [digest("chunk \(content)"), digest("stamps \(content)")]
            return Self.words(
                try await catalog.markMissing(lost, at: Timestamp(milliseconds: now), actor: AuditEvent.server)
            )
        case .heal(let content, let now):
            let records = [Bench.record("chunk \(content)", 77), Bench.record("stamps \(content)", 2)]
            try await catalog.recordStored(records, for: bench.session("heal \(now)", until: now + 20))
            return try await bench.keys()
        }
    }

    private static func words(_ entries: [Entry]) -> [String] {
        entries.map { entry in
            "\(entry.project) \(entry.scope) \(entry.key) \(entry.createdAt.milliseconds) \(entry.lastUsedAt.milliseconds) "
                + "\(String(describing: entry.expiresAt)) \(entry.isPinned) \(String(describing: entry.removal)) "
                + entry.layers.map { "\($0.path) \($0.size)" }.joined()
        }
    }
}

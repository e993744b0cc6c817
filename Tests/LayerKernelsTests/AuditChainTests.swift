import CacheModel
import LayerKernels
import Testing

struct AuditChainTests {
    /// Five rows whose fields are all of different shapes.
    private static let rows: [AuditRow] = {
        let digest = SHA256.digest(of: [7])
        let events = [
            AuditEvent(.serverStarted, by: "server", at: Timestamp(milliseconds: 0), detail: "version 1"),
            AuditEvent(
                .saved,
                by: "circleci:acme/shop@main",
                at: Timestamp(milliseconds: 1_700_000_000_000),
                project: "acme/shop",
                scope: "shared",
                key: "deps-é",
                entry: 7,
                record: digest,
                bytes: 1 << 40
            ),
            AuditEvent(.removed(.evicted), by: "server", at: Timestamp(milliseconds: -5), key: "k", entry: 0, bytes: 0),
            AuditEvent(.blobLost, by: "server", at: Timestamp(milliseconds: 9), record: digest),
            AuditEvent(.tokenCreated, by: "", at: Timestamp(milliseconds: 10), scope: "a", detail: "b"),
        ]
        var head = AuditHead.empty
        return events.map { event in
            let row = AuditRow(event, after: head)
            head = row.head
            return row
        }
    }()

    private static func problem(
        _ rows: [AuditRow],
        end: AuditHead? = nil,
        remembered: Digest? = nil
    ) async throws -> AuditProblem? {
        let page = AuditPage(rows: rows, anchor: .empty, head: end ?? rows.last?.head ?? .empty)
        return try await AuditVerdict.check(remembered: remembered) { after in
            after == 0 ? page : AuditPage(rows: [], anchor: .empty, head: page.head)
        }.problem
    }

    @Test func `the hash of a row is the one of docs FORMAT`() {
        let vector = Self.rows[1]
        #expect(vector.sequence == 2)
        #expect("\(Self.rows[0].hash)" == "3b42d9ced1e091d25b3a46b9dfb0fcacfc6b1b53e9dd3488ce3dfc8138698605")
        #expect("\(vector.hash)" == "6c048eee94fb7648cd4dfee9a2809d948265b91b10eaf166d0ce450de4470bef")
    }

    @Test func `rows that follow from each other are whole, also from an anchor on`() async throws {
        #expect(try await Self.problem(Self.rows) == nil)
        var chain = AuditChain(after: Self.rows[1].head)
        for row in Self.rows[2...] { try chain.append(row) }
        try chain.finish(at: Self.rows[4].head)
        #expect(chain.count == 3)
    }

    @Test func `any flipped bit of any field of any row is found, in that row or in the one after it`() async throws {
        for (index, row) in Self.rows.enumerated() {
            for changed in Self.variants(of: row) {
                var rows = Self.rows
                rows[index] = changed
                let problem = try await Self.problem(rows, end: Self.rows[4].head)
                let found = try #require(problem, "row \(row.sequence): \(changed)")
                #expect((row.sequence...row.sequence + 1).contains(found.row), "\(found)")
            }
        }
    }

    /// The row with each bit of each field flipped that leaves a valid value.
    private static func variants(of row: AuditRow) -> [AuditRow] {
        var variants: [AuditRow] = []
        func add(_ change: (inout AuditRow) -> Void) {
            var copy = row
            change(&copy)
            if copy != row { variants.append(copy) }
        }
        for bit in 0..<64 {
            let mask = Int64(bitPattern: 1 << UInt64(bit))
            add { $0.sequence ^= mask }
            add { $0.event.at.milliseconds ^= mask }
            add { $0.event.entry = $0.event.entry.map { $0 ^ mask } }
            add { $0.event.bytes = $0.event.bytes.map { $0 ^ mask } }
        }
        for bit in 0..<256 {
            add { $0.previous = $0.previous.flipping(bit) }
            add { $0.hash = $0.hash.flipping(bit) }
            add { $0.event.record = $0.event.record?.flipping(bit) }
        }
        let texts: [WritableKeyPath<AuditRow, String>] = [
            \.event.actor, \.event.action.rawValue, \.event.project, \.event.scope, \.event.key, \.event.detail,
        ]
        for path in texts {
            for bit in 0..<row[keyPath: path].utf8.count * 8 {
                add { $0[keyPath: path] = $0[keyPath: path].flipping(bit) }
            }
        }
        return variants
    }

    @Test func `an optional number that is taken away or added is found`() async throws {
        for change: (inout AuditRow) -> Void in [
            { $0.event.entry = $0.event.entry == nil ? 0 : nil },
            { $0.event.bytes = $0.event.bytes == nil ? 0 : nil },
            { $0.event.record = $0.event.record == nil ? Digest(word: 0) : nil },
        ] {
            for index in Self.rows.indices {
                var rows = Self.rows
                change(&rows[index])
                #expect(try await Self.problem(rows) != nil)
            }
        }
    }

    @Test func `text that moves from one field into the next is found`() async throws {
        var rows = Self.rows
        (rows[1].event.scope, rows[1].event.key) = ("share", "ddeps-é")
        #expect(try await Self.problem(rows)?.row == 2)
    }

    @Test func `a row that is removed, added, or in another place is found`() async throws {
        for index in Self.rows.indices {
            var rows = Self.rows
            rows.remove(at: index)
            #expect(try await Self.problem(rows, end: Self.rows[4].head)?.row == Int64(index + 1))
            for other in Self.rows.indices {
                rows = Self.rows
                rows.insert(rows[other], at: index)
                #expect(try await Self.problem(rows, end: Self.rows[4].head) != nil)
                guard other != index else { continue }
                rows = Self.rows
                rows.swapAt(index, other)
                #expect(try await Self.problem(rows, end: Self.rows[4].head) != nil)
            }
        }
    }

    @Test func `a chain that was cut off or made anew is only found with a head that was seen earlier`() async throws {
        let seen = Self.rows[3].hash
        #expect(try await Self.problem(Self.rows, remembered: seen) == nil)
        #expect(try await Self.problem(Array(Self.rows[..<3])) == nil)
        #expect(try await Self.problem(Array(Self.rows[..<3]), remembered: seen)?.row == 4)
        var forged: [AuditRow] = []
        for row in Self.rows {
            var event = row.event
            event.actor = "somebody else"
            forged.append(AuditRow(event, after: forged.last?.head ?? .empty))
        }
        #expect(try await Self.problem(forged) == nil)
        #expect(try await Self.problem(forged, remembered: seen) != nil)
    }
}

extension Digest {
    fileprivate func flipping(_ bit: Int) -> Digest {
        var bytes = self.bytes
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        return bytes.withUnsafeBytes { Digest(loading: $0) }
    }
}

extension String {
    /// The text with one bit flipped; bytes that are no UTF-8 any more are read as a database reads them.
    fileprivate func flipping(_ bit: Int) -> String {
        var bytes = Array(self.utf8)
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        return String(decoding: bytes, as: UTF8.self)
    }
}

package import AccessPolicy
package import CacheModel
package import StorageInterface
internal import Synchronization

/// Another way to prove who one is, beside tokens: sessions that CI identities were exchanged for.
package protocol CredentialSource: Sendable {
    /// The credential that a secret stands for, or `nil` if it is not known; asked on event loops, so it never waits.
    func credential(for secret: String, at now: Timestamp) -> Credential?
}

/// Who may use the server: all tokens, in memory, and the rules of projects.
///
/// Every question is answered without waiting, so that it can be asked on an event loop. Changes are durable before they
/// are in force here.
package final class AccessControl: Sendable {
    private struct State {
        var tokens: [String: TokenRecord]
        /// Uses that are not stored yet.
        var uses: [String: Timestamp] = [:]
        var isClosed: Bool
    }

    /// The precision of ``StorageInterface/TokenRecord/lastUsedAt``, in milliseconds.
    private static let usePrecision: Int64 = 60_000

    private let state: Mutex<State>
    private let store: any TokenStore
    private let additional: [any CredentialSource]
    private let onFirstToken: @Sendable () throws -> Void
    /// What the operator has decided for a project.
    package let rules: @Sendable (ProjectName) -> ProjectRules
    let now: @Sendable () -> Timestamp

    /// Loads all tokens.
    ///
    /// - Parameters:
    ///   - store: Where tokens are kept.
    ///   - isClosed: Whether the server is closed although it may have no token: there is an access file, or there
    ///     were tokens once.
    ///   - additional: Who is asked about credentials that are no tokens.
    ///   - rules: What the operator has decided for a project.
    ///   - now: The clock.
    ///   - onFirstToken: Called before a token is stored, and at the start if there are tokens.
    /// - Throws: What the store and `onFirstToken` throw.
    package init(
        store: any TokenStore,
        isClosed: Bool = false,
        additional: [any CredentialSource] = [],
        rules: @escaping @Sendable (ProjectName) -> ProjectRules = { _ in ProjectRules() },
        now: @escaping @Sendable () -> Timestamp = { .current },
        onFirstToken: @escaping @Sendable () throws -> Void = {}
    ) async throws {
        let tokens = Dictionary(uniqueKeysWithValues: try await store.tokens().map { ($0.id, $0) })
        if !tokens.isEmpty { try onFirstToken() }
        self.state = Mutex(State(tokens: tokens, isClosed: isClosed || !tokens.isEmpty))
        self.store = store
        self.additional = additional
        self.onFirstToken = onFirstToken
        self.rules = rules
        self.now = now
    }

    /// Whether requests need a credential: from the first token on, whatever becomes of it.
    package var isClosed: Bool { self.state.withLock { $0.isClosed } }

    /// Closes the server: from now on nobody is served without a credential.
    package func close() { self.state.withLock { $0.isClosed = true } }

    /// Finds out who sends a request.
    ///
    /// - Parameter authorization: The value of the request's `Authorization` field.
    /// - Returns: The credential; ``AccessPolicy/Credential/open`` on an open server, whatever is sent.
    /// - Throws: ``CredentialRefusal``.
    package func authenticate(_ authorization: String?) throws(CredentialRefusal) -> Credential {
        guard self.isClosed else { return .open }
        let secret = try AuthorizationField.secret(in: authorization)
        let now = self.now()
        guard secret.utf8.starts(with: TokenText.prefix.utf8) else {
            for source in self.additional {
                if let credential = source.credential(for: secret, at: now) { return credential }
            }
            throw secret.utf8.starts(with: "tarns_".utf8) ? .unknown : .malformed
        }
        return .token(try self.grant(of: TokenText(secret), at: now))
    }

    private func grant(of text: TokenText, at now: Timestamp) throws(CredentialRefusal) -> Grant {
        let digest = text.digest
        let record = self.state.withLock { $0.tokens[text.id] }
        // An unknown identifier costs the same comparison.
        let isRight = digest.isEqualInConstantTime(to: record?.secret ?? Digest.ofNothing)
        guard let record, isRight else { throw .unknown }
        guard record.revokedAt == nil else { throw .revoked }
        guard now < record.expiresAt else { throw .expired }
        self.noteUse(of: record, at: now)
        return record.grant
    }

    private func noteUse(of record: TokenRecord, at now: Timestamp) {
        let minute = Timestamp(milliseconds: now.milliseconds / Self.usePrecision * Self.usePrecision)
        guard minute > record.lastUsedAt ?? Timestamp(milliseconds: 0) else { return }
        self.state.withLock { state in
            state.tokens[record.id]?.lastUsedAt = minute
            state.uses[record.id] = minute
        }
    }

    /// The secret in the value of an `Authorization` field, if there is one.
    package static func secret(in authorization: String) -> String? {
        try? AuthorizationField.secret(in: authorization)
    }

    /// The name of the credential that an `Authorization` field proves; `nil` if it proves none.
    package func credentialName(_ authorization: String) -> String? {
        guard self.isClosed else { return nil }
        return (try? self.authenticate(authorization))?.serverPrincipal.name
    }

    /// Stores when tokens were used; called now and then, and never by a request.
    package func flushUses() async throws {
        let uses = self.state.withLock { state in
            defer { state.uses = [:] }
            return state.uses
        }
        do {
            try await self.store.noteTokenUses(uses)
        } catch {
            self.state.withLock { $0.uses.merge(uses) { current, _ in current } }
            throw error
        }
    }
}

extension AccessControl {
    /// All tokens, in the order of their making.
    package var tokens: [TokenRecord] {
        self.state.withLock { Array($0.tokens.values) }.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    }

    /// A token by its public identifier.
    package func token(_ id: String) -> TokenRecord? { self.state.withLock { $0.tokens[id] } }

    /// Makes a token; from now on the server is closed.
    ///
    /// - Returns: The record, and the text that nobody can see again.
    /// - Throws: ``CacheModel/CacheError``.
    package func makeToken(_ wish: TokenWish) async throws -> (record: TokenRecord, text: String) {
        let text = TokenText.random()
        let record = try wish.record(text, at: self.now())
        try self.onFirstToken()
        try await self.store.addToken(record)
        self.state.withLock { state in
            state.tokens[record.id] = record
            state.isClosed = true
        }
        return (record, text.text)
    }

    /// Revokes a token, at once and for ever.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `notFound`.
    package func revokeToken(_ id: String) async throws -> TokenRecord {
        guard let record = try await self.store.revokeToken(id, at: self.now()) else {
            throw CacheError(.notFound, "there is no token '\(id)'; cachectl token list shows all")
        }
        self.state.withLock { $0.tokens[id]?.revokedAt = record.revokedAt }
        return record
    }
}

extension Digest {
    /// What secrets of unknown tokens are compared with.
    fileprivate static let ofNothing = Digest(filledWith: 0)

    private init(filledWith byte: UInt8) {
        self = [UInt8](repeating: byte, count: Self.byteCount).withUnsafeBytes { Digest(loading: $0) }
    }

    /// Compares all bytes whatever the first ones are.
    fileprivate func isEqualInConstantTime(to other: Self) -> Bool {
        zip(self.bytes, other.bytes).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

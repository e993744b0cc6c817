internal import AccessControl
package import AccessPolicy
package import AccessRules
package import CacheModel
internal import LayerKernels
internal import Synchronization

/// The sessions that identity tokens were exchanged for: in memory only, as the digests of their tokens.
///
/// A restart of the server ends them all; a client then exchanges its identity token again.
package final class JobSessions: CredentialSource {
    /// The most sessions at once; beyond it the one that ends first makes room.
    private static let limit = 100_000
    /// What every session's token starts with.
    package static let prefix = "tarns_"

    private struct Session {
        var identity: JobIdentity
        var expiresAt: Timestamp
        /// What the identity was made of.
        var claims: Claims
        var issuer: String
    }

    private let sessions = Mutex<[Digest: Session]>([:])

    /// Creates a store without sessions.
    package init() {}

    /// Begins a session.
    ///
    /// - Returns: Its token, which nobody can see again.
    package func begin(
        _ identity: JobIdentity,
        from claims: Claims,
        of issuer: String,
        until end: Timestamp,
        at now: Timestamp
    ) -> String {
        var generator = SystemRandomNumberGenerator()
        let secret = (0..<4).map { _ in
            let digits = String(generator.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - digits.utf8.count) + digits
        }
        let token = Self.prefix + secret.joined()
        self.sessions.withLock { sessions in
            if sessions.count >= Self.limit { Self.makeRoom(in: &sessions, at: now) }
            sessions[Self.digest(token)] = Session(identity: identity, expiresAt: end, claims: claims, issuer: issuer)
        }
        return token
    }

    /// The credential of a session that has not ended.
    package func credential(for secret: String, at now: Timestamp) -> Credential? {
        guard secret.utf8.starts(with: Self.prefix.utf8) else { return nil }
        let digest = Self.digest(secret)
        return self.sessions.withLock { sessions in
            guard let session = sessions[digest] else { return nil }
            if now < session.expiresAt { return .job(session.identity) }
            sessions[digest] = nil
            return nil
        }
    }

    /// Looks at all sessions again because the rules are others; those that `identify` has no identity for end.
    func identifyAgain(_ identify: (Claims, _ issuer: String) -> JobIdentity?) {
        self.sessions.withLock { sessions in
            sessions = sessions.compactMapValues { session in
                guard let identity = identify(session.claims, session.issuer) else { return nil }
                var session = session
                session.identity = identity
                return session
            }
        }
    }

    /// Ends a session; one that is not known has ended before.
    package func end(_ token: String) {
        let digest = Self.digest(token)
        self.sessions.withLock { $0[digest] = nil }
    }

    /// Found by its digest, so that no comparison tells how much of a guess was right.
    private static func digest(_ token: String) -> Digest { SHA256.digest(of: Array(token.utf8)) }

    private static func makeRoom(in sessions: inout [Digest: Session], at now: Timestamp) {
        sessions = sessions.filter { now < $0.value.expiresAt }
        guard sessions.count >= Self.limit else { return }
        let ends = sessions.values.map(\.expiresAt).sorted()
        let cut = ends[ends.count / 10]
        sessions = sessions.filter { $0.value.expiresAt > cut }
    }
}

internal import AccessPolicy
package import CacheModel
internal import Foundation
internal import GRDB
package import StorageInterface

extension SQLiteCatalog: TokenStore {
    package func tokens() async throws -> [TokenRecord] {
        try await self.read { database in
            try database.rows(TokenRow.select + " ORDER BY created_at, id").map(TokenRow.decode)
        }
    }

    package func addToken(_ token: TokenRecord) async throws {
        try await self.write { database in
            guard try database.rows(TokenRow.select + " WHERE id = ?", [token.id]).isEmpty else {
                throw CacheError(.alreadyExists, "there is a token '\(token.id)' already")
            }
            try TokenRow.insert(token, into: database)
        }
    }

    package func revokeToken(_ id: String, at now: Timestamp) async throws -> TokenRecord? {
        try await self.write { database in
            try database.run(
                "UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
                [now.milliseconds, id]
            )
            return try database.rows(TokenRow.select + " WHERE id = ?", [id]).first.map(TokenRow.decode)
        }
    }

    package func noteTokenUses(_ uses: [String: Timestamp]) async throws {
        guard !uses.isEmpty else { return }
        try await self.write { database in
            for (id, use) in uses {
                try database.run(
                    "UPDATE tokens SET last_used_at = max(?1, coalesce(last_used_at, ?1)) WHERE id = ?2",
                    [use.milliseconds, id]
                )
            }
        }
    }
}

/// A row of `tokens`.
enum TokenRow {
    static let table = """
        CREATE TABLE tokens (
            id TEXT PRIMARY KEY CHECK (length(id) = 12),
            name TEXT NOT NULL,
            secret BLOB NOT NULL CHECK (length(secret) = 32),
            role TEXT NOT NULL,
            projects TEXT NOT NULL,
            scope TEXT NOT NULL,
            actions TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            revoked_at INTEGER,
            last_used_at INTEGER
        ) STRICT, WITHOUT ROWID;
        """

    static let select = """
        SELECT id, name, secret, role, projects, scope, actions, created_at, expires_at, revoked_at, last_used_at
        FROM tokens
        """

    static func insert(_ token: TokenRecord, into database: Database) throws {
        try database.run(
            """
            INSERT INTO tokens (id, name, secret, role, projects, scope, actions, created_at, expires_at, revoked_at,
                last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                token.id, token.name, token.secret.data, token.grant.role.rawValue, token.grant.projects.description,
                token.grant.scope.text, token.grant.actions.map(\.rawValue).sorted().joined(separator: " "),
                token.createdAt.milliseconds, token.expiresAt.milliseconds, token.revokedAt?.milliseconds,
                token.lastUsedAt?.milliseconds,
            ]
        )
    }

    /// Reads a row; a word that this program does not know is damage, and grants nothing.
    static func decode(_ row: Row) throws -> TokenRecord {
        let (id, word, actions): (String, String, String) = (row[0], row[3], row[6])
        guard let role = Grant.Role(rawValue: word) else {
            throw CacheError(.corrupt, "token '\(id)' in the database has the unknown role '\(word)'")
        }
        let allowed = actions.split(separator: " ").compactMap { AccessAction(rawValue: String($0)) }
        return TokenRecord(
            id: id,
            name: row[1],
            secret: try Digest(column: row[2]),
            grant: Grant(
                name: "token:\(id)",
                role: role,
                projects: try ProjectPattern(row[4] as String),
                scope: try Grant.ScopeGrant(row[5] as String),
                actions: Set(allowed)
            ),
            createdAt: Timestamp(milliseconds: row[7]),
            expiresAt: Timestamp(milliseconds: row[8]),
            revokedAt: (row[9] as Int64?).map { Timestamp(milliseconds: $0) },
            lastUsedAt: (row[10] as Int64?).map { Timestamp(milliseconds: $0) }
        )
    }
}

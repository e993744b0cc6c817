package import CacheModel
package import StorageInterface

extension MemoryCatalog: TokenStore {
    package func tokens() async throws -> [TokenRecord] { self.withTokens { $0 } }

    package func addToken(_ token: TokenRecord) async throws {
        try self.withTokens { tokens in
            guard !tokens.contains(where: { $0.id == token.id }) else {
                throw CacheError(.alreadyExists, "there is a token '\(token.id)' already")
            }
            tokens.append(token)
        }
    }

    package func revokeToken(_ id: String, at now: Timestamp) async throws -> TokenRecord? {
        self.withTokens { tokens in
            guard let index = tokens.firstIndex(where: { $0.id == id }) else { return nil }
            tokens[index].revokedAt = tokens[index].revokedAt ?? now
            return tokens[index]
        }
    }

    package func noteTokenUses(_ uses: [String: Timestamp]) async throws {
        self.withTokens { tokens in
            for index in tokens.indices {
                guard let use = uses[tokens[index].id] else { continue }
                tokens[index].lastUsedAt = max(use, tokens[index].lastUsedAt ?? use)
            }
        }
    }
}

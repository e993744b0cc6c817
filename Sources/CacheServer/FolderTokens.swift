internal import AccessControl
internal import CacheModel
package import NativeAPI
internal import NIOPosix
internal import NativeGateway
internal import SQLiteCatalog
internal import StorageInterface

/// The tokens in the folder of a server that is stopped.
package enum FolderTokens {
    /// Makes a token; the folder is created if it is not there.
    package static func make(_ wish: MakeTokenRequest, in path: String) async throws -> MakeTokenResponse {
        try await self.withControl(path, creating: true) { control in
            let (record, text) = try await control.makeToken(TokenWish(wish))
            return MakeTokenResponse(token: text, description: TokenDescription(record))
        }
    }

    /// All tokens.
    package static func list(_ path: String) async throws -> [TokenDescription] {
        try await self.withControl(path) { $0.tokens.map { TokenDescription($0) } }
    }

    /// Revokes a token.
    package static func revoke(_ id: String, in path: String) async throws -> TokenDescription {
        try await self.withControl(path) { TokenDescription(try await $0.revokeToken(id)) }
    }

    /// A message of the native API as text.
    package static func json(_ message: some Encodable) throws -> String {
        String(decoding: try NativeJSON.encode(message), as: UTF8.self)
    }

    private static func withControl<Value: Sendable>(
        _ path: String,
        creating isCreated: Bool = false,
        _ body: (AccessControl) async throws -> Value
    ) async throws -> Value {
        let folder: DataFolder
        do {
            folder = try DataFolder(path, creating: isCreated)
        } catch let error as CacheError where error.code == .unavailable {
            throw CacheError(.unavailable, "\(error.message); while it runs, use cachectl token")
        }
        let threads = NIOThreadPool(numberOfThreads: 2)
        threads.start()
        let result: Result<Value, any Error>
        do {
            let storage = try await Storage.open(folder, ServerConfiguration(), threads)
            let value = try await body(AccessControl(folder: folder, store: storage.catalog))
            try storage.catalog.checkpoint()
            try storage.catalog.close()
            result = .success(value)
        } catch {
            result = .failure(error)
        }
        try await threads.shutdownGracefully()
        return try result.get()
    }
}

internal import CacheModel
internal import CacheService
internal import GatewayKit
internal import Hummingbird
internal import NativeAPI
internal import StorageInterface

/// A request to an endpoint, and how its parts are read into domain values.
struct NativeCall: Sendable {
    let request: Request
    let context: GatewayContext
    let query: Query
    let limits: NativeLimits

    /// The project in the path.
    func project() throws -> ProjectName {
        try ProjectName(owner: self.text("owner"), name: self.text("name"))
    }

    /// The key in the path.
    func key() throws -> CacheKey { try Self.key(self.text("key")) }

    /// The digest in the path.
    func digest() throws -> Digest {
        let text = try self.text("digest")
        do {
            return try Digest(hex: text)
        } catch {
            throw CacheError(.invalidRequest, "'\(text)' in the path is no digest: \(error)")
        }
    }

    /// The scope in the query, if it is given.
    func scope() throws -> Scope? { try self.query["scope"].map { try Scope($0) } }

    /// The session in the query.
    func session() throws -> String {
        guard let session = self.query["session"] else {
            throw CacheError(.invalidRequest, "query parameter 'session' is missing; make up 8 to 64 characters")
        }
        return session
    }

    /// What the sender may see of the project in the path.
    ///
    /// The one place that decides it for all endpoints; all scopes, as long as jobs cannot prove who they are.
    func vantage() throws -> Vantage { Vantage(try self.project(), scopes: nil) }

    /// Who saves; the one place that says so for all endpoints of a save.
    func saver(_ session: String) throws -> Saver {
        Saver(vantage: try self.vantage(), scope: nil, session: session, owner: nil)
    }

    /// Whether all who may read a blob of the project get the same answer, so that it may be given to others.
    func sharesAnswers() throws -> Bool { try self.vantage().scopes == nil }

    /// The index of a layer in the path.
    func layerIndex() throws -> Int {
        let text = try self.text("index")
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let index = Int(text) else {
            throw CacheError(.notFound, "layer '\(text)' is not the number of a layer, such as 0")
        }
        return index
    }

    /// The rest of the path, decoded component by component: a file's path in a layer.
    func filePath() throws -> [UInt8] {
        let components = self.context.parameters.getCatchAll()
        let decoded = try components.map { try PercentCoding.decodeBytes($0, what: "the file's path") }
        return Array(decoded.joined(separator: [UInt8(ascii: "/")]))
    }

    /// A parameter of the path, decoded exactly once.
    func text(_ name: String) throws -> String {
        guard let text = self.context.parameters.get(name) else {
            throw CacheError(.invalidRequest, "'\(name)' is missing in the path")
        }
        return try PercentCoding.decode(text, what: "'\(name)' in the path")
    }

    /// The JSON body.
    func message<Message: Decodable>(_ type: Message.Type, limit: Int? = nil) async throws -> Message {
        let bytes = try await self.request.bodyBytes(limit: limit ?? self.limits.jsonBody)
        return try NativeJSON.decode(type, from: bytes)
    }

    /// The JSON body, or `fallback` if there is none.
    func message<Message: Decodable>(default fallback: Message) async throws -> Message {
        let bytes = try await self.request.bodyBytes(limit: self.limits.jsonBody)
        return bytes.isEmpty ? fallback : try NativeJSON.decode(Message.self, from: bytes)
    }

    /// Refuses a list of digests that is too long.
    func check(_ digests: [Digest]) throws {
        guard digests.count <= self.limits.digests else {
            throw CacheError(
                .invalidRequest,
                "the request names \(digests.count) digests, more than the \(self.limits.digests) allowed at once"
            )
        }
    }

    /// Reads a key and says what is wrong with it.
    static func key(_ text: String) throws -> CacheKey {
        do {
            return try CacheKey(text)
        } catch {
            throw CacheError(.invalidRequest, error.description)
        }
    }
}

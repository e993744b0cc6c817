internal import AccessControl
internal import AccessPolicy
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
    /// Who asks; `nil` where anybody may.
    let credential: Credential?
    /// What that may do in the project; there where the endpoint is about one.
    var projectAccess: ProjectAccess?

    /// What the sender may do in the project that the path names.
    var access: ProjectAccess {
        get throws {
            guard let access = self.projectAccess else {
                throw Failure.unexpected(requestID: self.context.requestID)
            }
            return access
        }
    }

    /// Who asks, for the audit log.
    var actor: String { self.projectAccess?.actor ?? self.credential?.serverPrincipal.name ?? "open" }

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
    /// The one place that decides it for all endpoints.
    func vantage() throws -> Vantage { Vantage(try self.project(), scopes: try self.access.visibleScopes) }

    /// Who saves; the one place that says so for all endpoints of a save.
    ///
    /// - Parameters:
    ///   - session: The save's session.
    ///   - scope: Where it saves to; the sender's own scope if that is not said yet.
    /// - Returns: The saver.
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` if the path names no project.
    func saver(_ session: String, scope: Scope? = nil) throws -> Saver {
        let access = try self.access
        return Saver(
            vantage: try self.vantage(),
            scope: scope ?? access.principal().scope,
            session: session,
            owner: access.rules.mode == .isolated ? access.actor : nil
        )
    }

    /// Whether all who may read a blob of the project get the same answer, so that it may be given to others.
    func sharesAnswers() throws -> Bool { try self.access.isOneForAll }

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

internal import CacheClient
internal import CacheModel
internal import CommandLineKit
internal import LayerFormat
internal import NativeAPI

/// Which entries to list.
struct EntryQuery: Sendable {
    var prefix: String?
    var includesRemoved = false
    var allProjects = false
    var limit: Int?
}

/// Bytes that a server sends as they are.
enum Download: Sendable {
    /// A whole layer as a tar.
    case layer(CacheKey, layer: Int, form: TarForm, isCanonical: Bool)
    /// One file of a layer.
    case file(CacheKey, layer: Int, path: String)
}

/// How a tar becomes an entry.
struct TarImport: Sendable {
    var key: CacheKey
    var path: String?
    var anchor: Anchor
    var timeToLive: String?
    var replaces: Bool
}

/// One project of a server, with the questions that `cachectl` asks.
struct Server: Sendable {
    let project: ProjectName
    let scope: Scope
    private let client: NativeClient
}

internal import CacheModel

/// Finds the layer that a path is in.
enum LayerLookup {
    /// The layers that may have a path, with the path as it stands in the layer; the most likely first.
    ///
    /// A path is taken as relative to the anchor, as `show --members` prints it (`venv/bin/pip`); `~/…` and `/…` mean
    /// layers below the home folder and the root. If no layer's path is the start of it, it is taken as relative to
    /// each layer (`bin/pip`).
    static func candidates(for path: String, in entry: Entry) -> [(layer: Int, path: String)] {
        let (anchor, rest) = Self.split(path)
        let cleaned = rest.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
        let layers = entry.layers.enumerated().filter { anchor == nil || $0.element.anchor == anchor }
        let direct = layers.filter { Self.contains($0.element.path, cleaned) }
        if !direct.isEmpty {
            let deepestFirst = direct.sorted { $0.element.path.utf8.count > $1.element.path.utf8.count }
            return deepestFirst.map { ($0.offset, cleaned) }
        }
        guard anchor == nil else { return [] }
        return layers.map { ($0.offset, "\($0.element.path)/\(cleaned)") }
    }

    private static func split(_ path: String) -> (Anchor?, Substring) {
        if path.hasPrefix("~/") { return (.home, path.dropFirst(2)) }
        return path.hasPrefix("/") ? (.root, path.dropFirst()) : (nil, path[...])
    }

    private static func contains(_ layer: String, _ path: String) -> Bool {
        layer == "." || path == layer || path.hasPrefix("\(layer)/")
    }
}

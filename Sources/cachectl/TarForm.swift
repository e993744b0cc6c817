internal import ArgumentParser

/// The forms in which a layer travels as one file.
enum TarForm: String, CaseIterable, ExpressibleByArgument, Sendable {
    case zst = "tar.zst"
    case gz = "tar.gz"
    case tar

    /// The form that a file's name tells; `nil` if it tells none.
    init?(suffixOf name: String) {
        let suffixes: [(String, Self)] = [
            (".tar.zst", .zst), (".tzst", .zst), (".tar.gz", .gz), (".tgz", .gz), (".tar", .tar),
        ]
        guard let form = suffixes.first(where: { name.hasSuffix($0.0) })?.1 else { return nil }
        self = form
    }
}

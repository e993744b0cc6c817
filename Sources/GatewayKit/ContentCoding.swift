/// What a request says about content codings and entity tags; pure.
package enum ContentCoding {
    /// Whether the values of `Accept-Encoding` name zstd, and not to refuse it.
    package static func namesZstd(_ value: some StringProtocol) -> Bool {
        if value == "zstd" { return true }
        return value.split(separator: ",").contains { item in
            let plain = item.lowercased().filter { $0 != " " && $0 != "\t" }
            let parts = plain.split(separator: ";")
            guard parts.first == "zstd" else { return false }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) }
            return (weight ?? 1) > 0
        }
    }

    /// Whether the value of `If-None-Match` names `tag`, by the weak comparison that the field asks for.
    package static func names(_ list: String, _ tag: String) -> Bool {
        func opaque(_ text: some StringProtocol) -> Substring {
            let start = Substring(text).drop { $0 == " " }
            let trimmed = start.hasPrefix("W/") ? start.dropFirst(2) : start
            return trimmed.prefix { $0 != " " }
        }
        return list == "*" || list.split(separator: ",").contains { opaque($0) == opaque(tag) }
    }
}

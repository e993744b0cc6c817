internal import CacheModel

/// The keys that an argument of `rm`, `pin` and `unpin` means.
///
/// A `*` at the end makes the rest a prefix; `\*` at the end is a star that belongs to the key. Anywhere else a star
/// is an ordinary character.
enum KeyArgument: Hashable, Sendable {
    /// One key.
    case key(CacheKey)
    /// All keys that start with this.
    case prefix(CacheKey)
    /// All keys.
    case everything

    /// Reads an argument.
    ///
    /// - Throws: `InvalidKey`.
    init(_ text: String) throws(InvalidKey) {
        if text == "*" {
            self = .everything
        } else if text.hasSuffix("\\*") {
            self = .key(try CacheKey(text.dropLast(2) + "*"))
        } else if text.hasSuffix("*") {
            self = .prefix(try CacheKey(String(text.dropLast())))
        } else {
            self = .key(try CacheKey(text))
        }
    }
}

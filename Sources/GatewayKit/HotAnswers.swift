package import CacheService
internal import NIOCore
package import NIOHTTP1
package import StorageInterface
internal import Synchronization

/// Answers to `GET` and `HEAD` of blobs that were worked out a moment ago, so that the same question can be answered on
/// the event loop without asking the catalog again.
///
/// An answer is forgotten ``lifetime`` after the catalog was asked, and at once when ``CacheService/VisibilityClock``
/// has moved on: a deletion, a removed entry, a collection, a blob found damaged. What ends by itself (an entry's time to
/// live, a session) is therefore seen at most a second late, and so is what another server on the same catalog does.
package final class HotAnswers: Sendable {
    /// How long an answer may be given again, unless told otherwise.
    package static let defaultLifetime = Duration.seconds(1)
    /// Bodies up to this size are kept in memory; of larger ones the open file is.
    package static let inlineLimit = 65_536

    private static let maximumCount = 1_024
    private static let maximumFiles = 64
    private static let maximumBytes = 16 * 1_048_576

    /// One representation of a blob: the fields of its head that depend on the blob alone, and its body.
    package struct Representation: Sendable {
        /// The head's fields, `Content-Length` among them.
        package var headers: HTTPHeaders
        /// The body's bytes.
        package var content: BlobContent
        /// The number of bytes.
        package var size: Int

        /// Creates a representation.
        package init(headers: HTTPHeaders, content: BlobContent, size: Int) {
            self.headers = headers
            self.content = content
            self.size = size
        }
    }

    /// What is known of a blob's path.
    private struct Known {
        var identity: Representation?
        var zstd: Representation?
        var isStoredRaw = false
        var visibility: UInt64
        var until: NIODeadline

        var parts: [Representation] { [self.identity, self.zstd].compactMap(\.self) }
    }

    private struct State {
        var known: [String: Known] = [:]
        var files = 0
        var bytes = 0
    }

    private let state = Mutex(State())
    private let visibility: VisibilityClock
    /// How long an answer may be given again.
    package let lifetime: Duration

    /// Creates an empty table whose answers end after `lifetime`, or when `visibility` moves.
    package init(visibility: VisibilityClock, lifetime: Duration = HotAnswers.defaultLifetime) {
        self.visibility = visibility
        self.lifetime = lifetime
    }

    /// The number of representations that are kept.
    package var count: Int { self.state.withLock { $0.known.values.reduce(0) { $0 + $1.parts.count } } }

    /// The moment to ask for before the catalog is asked; ``note(_:encoding:isStoredRaw:at:asked:)`` wants it.
    package func question() -> Question { Question(visibility: self.visibility.now, asked: .now()) }

    /// When the catalog was asked.
    package struct Question: Sendable {
        fileprivate var visibility: UInt64
        fileprivate var asked: NIODeadline
    }

    /// The answer for a path, if one can still be given.
    package func find(_ path: String, acceptsZstd: Bool) -> Representation? {
        let now = NIODeadline.now()
        let visibility = self.visibility.now
        return self.state.withLock { state in
            guard let known = state.known[path], known.until > now, known.visibility == visibility else { return nil }
            return acceptsZstd && !known.isStoredRaw ? known.zstd : known.identity
        }
    }

    /// Remembers an answer.
    ///
    /// - Parameters:
    ///   - representation: The answer.
    ///   - encoding: What a client must accept to be given it; `raw` needs nothing.
    ///   - isStoredRaw: Whether there is no other representation.
    ///   - path: The request's path in its plain form.
    ///   - question: When the catalog was asked.
    package func note(
        _ representation: Representation,
        encoding: BlobEncoding,
        isStoredRaw: Bool,
        at path: String,
        asked question: Question
    ) {
        let until = question.asked + TimeAmount(self.lifetime)
        self.state.withLock { state in
            var known = state.known[path] ?? Known(visibility: question.visibility, until: until)
            if known.visibility != question.visibility || known.isStoredRaw != isStoredRaw || known.until < .now() {
                known = Known(visibility: question.visibility, until: until)
            }
            // The earlier question decides for both.
            known.until = min(known.until, until)
            known.isStoredRaw = isStoredRaw
            if encoding == .zstd { known.zstd = representation } else { known.identity = representation }
            self.remove(path, &state)
            state.known[path] = known
            for part in known.parts { Self.count(part, 1, &state) }
            self.shrink(&state, keeping: path)
        }
    }

    /// Drops answers that may not be given any more, and closes their files.
    package func sweep() {
        self.state.withLock { self.dropStale(&$0) }
    }

    private func shrink(_ state: inout State, keeping path: String) {
        func isFull() -> Bool {
            state.known.count > Self.maximumCount || state.files > Self.maximumFiles || state.bytes > Self.maximumBytes
        }
        guard isFull() else { return }
        self.dropStale(&state)
        for other in Array(state.known.keys) where other != path && isFull() { self.remove(other, &state) }
    }

    private func dropStale(_ state: inout State) {
        let (now, visibility) = (NIODeadline.now(), self.visibility.now)
        for (path, known) in state.known where known.until <= now || known.visibility != visibility {
            self.remove(path, &state)
        }
    }

    private func remove(_ path: String, _ state: inout State) {
        guard let known = state.known.removeValue(forKey: path) else { return }
        for part in known.parts { Self.count(part, -1, &state) }
    }

    private static func count(_ part: Representation, _ sign: Int, _ state: inout State) {
        switch part.content {
        case .bytes: state.bytes += sign * part.size
        case .file: state.files += sign
        }
    }
}

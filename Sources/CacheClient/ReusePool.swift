internal import Synchronization

/// Things that are expensive to make and belong to one user at a time.
final class ReusePool<Element: Sendable>: Sendable {
    private let idle = Mutex<[Element]>([])
    private let make: @Sendable () -> Element

    init(_ make: @escaping @Sendable () -> Element) { self.make = make }

    /// Calls `body` with an element that nobody else has meanwhile.
    func withElement<Result>(_ body: (Element) throws -> Result) rethrows -> Result {
        let element = self.idle.withLock { $0.popLast() } ?? self.make()
        defer { self.idle.withLock { $0.append(element) } }
        return try body(element)
    }
}

internal import Synchronization

/// One chunk's raw bytes.
///
/// They live in a window that several chunks share; it is used again once all of its chunks are gone, so keep few.
public struct RawChunk: Sendable {
    /// Where the chunk begins in the stream.
    public let offset: Int
    private let window: StreamWindow
    private let range: Range<Int>

    init(offset: Int, window: StreamWindow, range: Range<Int>) {
        self.offset = offset
        self.window = window
        self.range = range
    }

    /// The number of bytes.
    public var count: Int { self.range.count }

    /// Calls `body` with the bytes.
    public func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(rebasing: self.window.bytes[self.range]))
    }
}

/// A piece of the stream in memory.
///
/// Sound to share: bytes of cut chunks never change again; only the stream's thread writes, and only behind them.
final class StreamWindow: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer
    private let pool: WindowPool

    init(_ pool: WindowPool) {
        self.pool = pool
        self.bytes = pool.take()
    }

    deinit { self.pool.giveBack(self.bytes) }
}

/// Keeps a few windows' memory for the next ones.
final class WindowPool: Sendable {
    private static let maximumSpareCount = 3
    private let size: Int
    private let spare = Mutex<[SpareWindow]>([])

    init(size: Int) { self.size = size }

    deinit {
        for window in self.spare.withLock({ $0 }) { window.bytes.deallocate() }
    }

    func take() -> UnsafeMutableRawBufferPointer {
        if let window = self.spare.withLock({ $0.popLast() }) { return window.bytes }
        return .allocate(byteCount: self.size, alignment: 4_096)
    }

    func giveBack(_ bytes: UnsafeMutableRawBufferPointer) {
        let window = SpareWindow(bytes: bytes)
        let isKept = self.spare.withLock { spare in
            guard spare.count < Self.maximumSpareCount else { return false }
            spare.append(window)
            return true
        }
        if !isKept { bytes.deallocate() }
    }
}

/// Memory that nobody uses; whoever takes it out of the pool owns it alone.
private struct SpareWindow: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer
}

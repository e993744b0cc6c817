internal import CacheModel
internal import GatewayKit
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import StorageInterface

/// Writes one file as a body: what is in the page cache is read on the event loop, the rest on a thread.
///
/// The connection decides the pace: a piece is read when the one before has been taken. Used on the channel's event
/// loop only; the file is closed when this goes.
final class FileSender {
    /// What the access log wants to know.
    struct Request {
        let id: RequestID
        let method: String
        let start: NIODeadline
        let origin: RequestOrigin
    }

    /// How much is read and written at once: it fits a core's cache, and so costs less than `sendfile` on the way out.
    private static let pieceSize = 256 * 1_024
    /// How many pieces are written before other connections have their turn.
    private static let piecesPerTurn = 8
    /// The pieces of all connections of an event loop share their memory, as long as clients keep up.
    private static let scratch = ThreadSpecificVariable<Scratch>()

    /// Sound to share: it is kept in a variable of one thread and used on that thread only.
    private final class Scratch: @unchecked Sendable {
        var buffer = ByteBufferAllocator().buffer(capacity: FileSender.pieceSize)
    }

    let request: Request
    private var file: (any BlobFile)?
    private let size: Int
    private var offset = 0
    private let threads: NIOThreadPool
    private let scratch: Scratch
    private var isPumping = false
    private var isReading = false
    private let whenDone: (Int) -> Void

    /// Creates a sender; `whenDone` is called with the bytes sent once all are written, and may end the answer.
    init(
        _ file: any BlobFile,
        size: Int,
        _ request: Request,
        _ threads: NIOThreadPool,
        whenDone: @escaping (Int) -> Void
    ) {
        (self.file, self.size, self.request, self.threads, self.whenDone) = (file, size, request, threads, whenDone)
        if let scratch = Self.scratch.currentValue {
            self.scratch = scratch
        } else {
            self.scratch = Scratch()
            Self.scratch.currentValue = self.scratch
        }
    }

    /// Stops sending; returns the number of bytes that were sent.
    func cancel() -> Int {
        self.file = nil
        return self.offset
    }

    /// Writes for as long as the connection takes more.
    func pump(_ context: ChannelHandlerContext) {
        guard !self.isPumping else { return }
        self.isPumping = true
        var turns = Self.piecesPerTurn
        while let file = self.file, !self.isReading, self.offset < self.size, context.channel.isWritable {
            guard turns > 0 else {
                self.pumpLater(context)
                break
            }
            turns -= 1
            self.sendPiece(of: file, context)
        }
        self.isPumping = false
        guard self.file != nil, self.offset == self.size else { return }
        self.file = nil
        self.whenDone(self.size)
    }

    private func pumpLater(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.execute {
            let (sender, context) = bound.value
            sender.pump(context)
        }
    }

    private func sendPiece(of file: any BlobFile, _ context: ChannelHandlerContext) {
        let range = self.offset..<min(self.offset + Self.pieceSize, self.size)
        self.scratch.buffer.clear()
        do {
            if try file.readCached(range, into: &self.scratch.buffer) > 0 {
                self.write(self.scratch.buffer, context)
            } else {
                self.readOnThread(range, of: file, context)
            }
        } catch {
            context.close(promise: nil)
        }
    }

    private func readOnThread(_ range: Range<Int>, of file: any BlobFile, _ context: ChannelHandlerContext) {
        self.isReading = true
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        self.threads.runIfActive(eventLoop: context.eventLoop) { try file.read(range) }.whenComplete { result in
            let (sender, context) = bound.value
            sender.isReading = false
            guard sender.file != nil else { return }
            switch result {
            case .success(let piece) where piece.readableBytes == range.count:
                sender.write(piece, context)
                sender.pump(context)
            // The head has promised more than there is; only a closed connection says so.
            default: context.close(promise: nil)
            }
        }
    }

    private func write(_ piece: ByteBuffer, _ context: ChannelHandlerContext) {
        self.offset += piece.readableBytes
        let part = HTTPServerResponsePart.body(.byteBuffer(piece))
        context.write(NIOAny(part), promise: nil)
        // The last piece goes out together with the end.
        if self.offset < self.size { context.flush() }
    }
}

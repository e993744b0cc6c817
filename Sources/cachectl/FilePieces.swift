internal import Glibc
internal import NIOCore

/// An open file, piece by piece: the next is read when the last was taken, so memory does not grow with the file.
struct FilePieces: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    private static let pieceSize = 256 * 1_024

    let source: SourceFile
    let failure: LocalFailure

    func makeAsyncIterator() -> Iterator { Iterator(source: self.source, failure: self.failure) }

    struct Iterator: AsyncIteratorProtocol {
        let source: SourceFile
        let failure: LocalFailure

        /// Blocks its thread while it reads; nothing else wants that thread in this program.
        mutating func next() async throws -> ByteBuffer? {
            let source = self.source
            return try self.failure.keeping {
                var buffer = ByteBuffer()
                let count = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: FilePieces.pieceSize) { room in
                    try Self.read(source.number, into: room)
                }
                return count > 0 ? buffer : nil
            }
        }

        private static func read(_ file: Int32, into room: UnsafeMutableRawBufferPointer) throws -> Int {
            while true {
                let count = Glibc.read(file, room.baseAddress, room.count)
                if count >= 0 { return count }
                guard errno == EINTR else {
                    throw CommandFailure(.failure, "cannot read the tar: \(String(cString: strerror(errno)))")
                }
            }
        }
    }
}

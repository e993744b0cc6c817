internal import CacheModel
internal import LayerKernels
internal import NIOCore
internal import StorageInterface

/// Makes zstd frames of raw blobs, so that a layer's chunks one after another are a valid `.tar.zst`.
///
/// What does not compress is framed as it is, without a copy: zstd would spend as long on finding that out as on
/// anything else.
struct BlobFramer: ~Copyable {
    /// Blobs of these sizes are sampled; smaller ones are compressed as fast, larger ones would need a large window.
    private static let sampledSizes = 65_536...2 * 1_048_576
    private static let sampleSize = 16_384
    /// The share of a sample that has to be left after compression for the blob to count as incompressible.
    private static let incompressible = 0.985

    private var codec: FrameCodec
    private var scratch = ByteBuffer()

    /// Creates a framer that compresses at `level`.
    init(level: Int) { self.codec = FrameCodec(level: level) }

    /// Makes a frame of a raw blob; a blob that is a frame stays as it is.
    mutating func frame(_ blob: inout NewBlob) throws {
        guard blob.encoding == .raw else { return }
        if Self.sampledSizes.contains(blob.size), try !self.compresses(blob.pieces) {
            blob.recode(as: .zstd, StoredFrame.pieces(of: blob.pieces, size: blob.size))
        } else {
            let size = try self.compress(blob.content)
            let frame = ByteBuffer(bytes: self.scratch.readableBytesView.prefix(size))
            blob.recode(as: .zstd, [frame])
        }
    }

    /// Whether samples from the start, the middle and the end get smaller.
    private mutating func compresses(_ pieces: [ByteBuffer]) throws -> Bool {
        var (before, after) = (0, 0)
        for index in Set([0, pieces.count / 2, pieces.count - 1]) {
            let piece = pieces[index]
            let size = min(Self.sampleSize, piece.readableBytes)
            let offset = index == 0 ? 0 : piece.readableBytes - size
            guard let sample = piece.getSlice(at: piece.readerIndex + offset, length: size) else { continue }
            before += size
            after += try self.compress(sample)
        }
        return Double(after) < Double(before) * Self.incompressible
    }

    /// Compresses into the scratch buffer; returns the frame's size.
    private mutating func compress(_ content: ByteBuffer) throws -> Int {
        self.scratch.clear()
        let bound = FrameCodec.maximumFrameSize(for: content.readableBytes)
        return try content.withUnsafeReadableBytes { bytes in
            try self.scratch.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { room in
                try self.codec.compress(bytes, into: room)
            }
        }
    }
}

/// A zstd frame of raw blocks (RFC 8878 3.1.1.2); pure.
enum StoredFrame {
    private static let blockSize = 131_072

    /// The frame around raw bytes, which are not copied.
    ///
    /// - Parameters:
    ///   - raw: The bytes, piece after piece.
    ///   - size: Their number, at most 4 GiB.
    /// - Returns: The frame, piece after piece.
    static func pieces(of raw: [ByteBuffer], size: Int) -> [ByteBuffer] {
        var rest = raw[...]
        var frame: [ByteBuffer] = []
        var header = ByteBuffer()
        header.writeInteger(0xfd2f_b528, endianness: .little, as: UInt32.self)
        // A single segment, its size in four bytes.
        header.writeInteger(0xa0, as: UInt8.self)
        header.writeInteger(UInt32(size), endianness: .little)
        var offset = 0
        repeat {
            let count = min(self.blockSize, size - offset)
            offset += count
            let block = UInt32(count) << 3 | (offset == size ? 1 : 0)
            header.writeBytes([UInt8(block & 0xff), UInt8(block >> 8 & 0xff), UInt8(block >> 16)])
            frame.append(header)
            frame += self.take(count, from: &rest)
            header = ByteBuffer()
        } while offset < size
        return frame
    }

    private static func take(_ count: Int, from rest: inout ArraySlice<ByteBuffer>) -> [ByteBuffer] {
        var (taken, missing) = ([ByteBuffer](), count)
        while missing > 0, var piece = rest.first {
            if let part = piece.readSlice(length: min(missing, piece.readableBytes)), part.readableBytes > 0 {
                missing -= part.readableBytes
                taken.append(part)
            }
            rest = rest.dropFirst()
            if piece.readableBytes > 0 { rest = [piece] + rest }
        }
        return taken
    }
}

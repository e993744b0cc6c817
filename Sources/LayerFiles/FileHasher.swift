internal import CLinux
internal import CacheModel
internal import Glibc
internal import LayerKernels

/// Hashes the normalised content of files; buffer and context are allocated once.
struct FileHasher: ~Copyable {
    /// What hashing a file gave.
    enum Outcome {
        case hashed(Digest, stamp: UInt32?)
        case changed
        case failed(Int32)
    }

    private static let bufferSize = 256 * 1_024
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 4_096)
    private var hasher = SHA256()

    deinit { self.buffer.deallocate() }

    /// Hashes an open file and makes sure that it did not change meanwhile.
    ///
    /// - Parameters:
    ///   - file: The open file.
    ///   - status: What `fstat` said after opening it; refreshed if the file changed.
    ///   - mayHaveStamp: Whether a `.pyc` stamp is to be taken out.
    ///   - extents: Where the file has data, if it has holes.
    /// - Returns: The digest, or why there is none.
    mutating func hash(_ file: Int32, _ status: inout stat, mayHaveStamp: Bool, extents: [Range<Int>]?) -> Outcome {
        let size = Int(status.st_size)
        var stamp: UInt32?
        var position = 0
        var nextExtent = 0
        while position < size {
            var count = min(Self.bufferSize, size - position)
            var isHole = false
            if let extents {
                while nextExtent < extents.count, extents[nextExtent].upperBound <= position { nextExtent += 1 }
                let extent = nextExtent < extents.count ? extents[nextExtent] : size..<size
                isHole = position < extent.lowerBound
                count = min(count, (isHole ? extent.lowerBound : extent.upperBound) - position)
            }
            let piece = UnsafeMutableRawBufferPointer(rebasing: self.buffer[..<count])
            if isHole {
                piece.initializeMemory(as: UInt8.self, repeating: 0)
            } else {
                let done = readFully(file, piece, at: position)
                if done < 0 { return self.abandon(.failed(errno)) }
                if done < count { return self.abandon(.changed, refreshing: &status, file) }
            }
            if position == 0, mayHaveStamp, let found = PycHeader.stamp(in: UnsafeRawBufferPointer(piece)) {
                stamp = found
                PycHeader.setStamp(0, in: piece)
            }
            self.hasher.update(UnsafeRawBufferPointer(piece))
            position += count
        }
        let digest = self.hasher.finish()
        var after = stat()
        guard fstat(file, &after) == 0 else { return .failed(errno) }
        let isSame =
            after.st_size == status.st_size && after.modified == status.modified && after.changed == status.changed
        guard isSame else {
            status = after
            return .changed
        }
        return .hashed(digest, stamp: stamp)
    }

    private mutating func abandon(_ outcome: Outcome) -> Outcome {
        _ = self.hasher.finish()
        return outcome
    }

    private mutating func abandon(_ outcome: Outcome, refreshing status: inout stat, _ file: Int32) -> Outcome {
        fstat(file, &status)
        return self.abandon(outcome)
    }

    /// Where a file has data, or `nil` if it has no holes.
    static func extents(of file: Int32, size: Int) -> [Range<Int>]? {
        let (seekData, seekHole): (Int32, Int32) = (3, 4)
        var extents: [Range<Int>] = []
        var position = 0
        while position < size {
            let start = Int(lseek(file, off_t(position), seekData))
            // ENXIO: there is nothing but a hole up to the end.
            if start < 0 {
                guard errno == ENXIO else { return nil }
                break
            }
            let end = Int(lseek(file, off_t(start), seekHole))
            guard end > start else { return nil }
            if start < size { extents.append(start..<min(end, size)) }
            position = end
        }
        return extents == [0..<size] ? nil : extents
    }
}

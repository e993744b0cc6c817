/// The bytes of a tar, with the place that was reached.
struct TarInput {
    typealias Read = (UnsafeMutableRawBufferPointer) throws -> Int

    private let read: Read
    private let skip: ((Int) throws -> Int)?
    /// How many bytes were taken.
    private(set) var offset = 0

    init(read: @escaping Read, skip: ((Int) throws -> Int)?) {
        self.read = read
        self.skip = skip
    }

    /// Fills `buffer` unless the stream ends first.
    mutating func take(into buffer: UnsafeMutableRawBufferPointer) throws(TarError) -> Int {
        var filled = 0
        while filled < buffer.count {
            let count: Int
            do {
                count = try self.read(UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
            } catch {
                throw TarError(offset: self.offset, "its bytes cannot be read", cause: error)
            }
            guard count > 0 else { break }
            filled += count
            self.offset += count
        }
        return filled
    }

    /// The next bytes; fewer only where the stream ends.
    mutating func take(_ count: Int) throws(TarError) -> [UInt8] {
        var failure: TarError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            do throws(TarError) {
                filled = try self.take(into: UnsafeMutableRawBufferPointer(buffer))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Passes over bytes and returns how many there were.
    mutating func pass(_ count: Int) throws(TarError) -> Int {
        guard let skip = self.skip else {
            var rest = count
            while rest > 0 {
                let taken = try self.take(min(rest, 65_536)).count
                guard taken > 0 else { break }
                rest -= taken
            }
            return count - rest
        }
        do {
            let skipped = try skip(count)
            self.offset += skipped
            return skipped
        } catch {
            throw TarError(offset: self.offset, "its bytes cannot be read", cause: error)
        }
    }
}

internal import CLinux
internal import Glibc
internal import LayerFormat

/// O_PATH, which Swift cannot import.
let openPathOnly: Int32 = 0o10_000_000

/// An open file that closes itself.
struct Descriptor: ~Copyable, Sendable {
    let number: Int32

    init(_ number: Int32) { self.number = number }

    deinit { if self.number >= 0 { close(self.number) } }
}

/// Room for one NUL-terminated path, used again and again.
struct PathBuffer: ~Copyable {
    /// The path; whoever writes a NUL into it puts the byte back.
    let start: UnsafeMutablePointer<CChar>
    private(set) var count = 0

    init() {
        self.start = .allocate(capacity: Member.maximumPathLength + 1_024)
        self.start[0] = 0
    }

    deinit { self.start.deallocate() }

    /// Holds `path` from now on.
    mutating func set(_ path: UnsafeBufferPointer<UInt8>) {
        precondition(path.count <= Member.maximumPathLength + 512, "Paths are checked before they get here.")
        if let source = path.baseAddress { memcpy(self.start, source, path.count) }
        self.count = path.count
        self.start[self.count] = 0
    }

    /// Holds an array's path from now on.
    mutating func set(_ path: [UInt8]) {
        path.withUnsafeBufferPointer { self.set($0) }
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// Everything from `start` on.
    func dropping(_ start: Int) -> Self { Self(rebasing: self[Swift.min(start, self.count)...]) }

    /// The position of the last slash, if there is one.
    var lastSlash: Int? { self.lastIndex(of: UInt8(ascii: "/")) }
}

/// Opens a path below a directory; no component of it may be a symbolic link.
///
/// The path may be longer than PATH_MAX.
///
/// - Returns: A descriptor, or -1 with the reason in `errno`.
func openBeneath(_ directory: Int32, _ path: borrowing PathBuffer, _ flags: Int32, mode: mode_t = 0) -> Int32 {
    openBeneath(directory, path.start, path.count, flags, mode)
}

private func openBeneath(
    _ directory: Int32,
    _ path: UnsafeMutablePointer<CChar>,
    _ count: Int,
    _ flags: Int32,
    _ mode: mode_t
) -> Int32 {
    guard count > 0 else { return tarn_open_beneath(directory, ".", flags, mode) }
    guard count >= Int(PATH_MAX) else { return tarn_open_beneath(directory, path, flags, mode) }
    var cut = Int(PATH_MAX) - 2
    while cut > 0, path[cut] != CChar(UInt8(ascii: "/")) { cut -= 1 }
    path[cut] = 0
    let step = Descriptor(tarn_open_beneath(directory, path, openPathOnly | O_DIRECTORY, 0))
    path[cut] = CChar(UInt8(ascii: "/"))
    guard step.number >= 0 else { return -1 }
    let file = openBeneath(step.number, path + cut + 1, count - cut - 1, flags, mode)
    let number = errno
    _ = consume step
    errno = number
    return file
}

/// Reads until the buffer is full or the file ends.
///
/// - Returns: The number of bytes, or -1 with the reason in `errno`.
func readFully(_ file: Int32, _ buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
    var done = 0
    while done < buffer.count {
        let count = pread(file, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(offset + done))
        if count == 0 { break }
        if count < 0 {
            if errno == EINTR { continue }
            return -1
        }
        done += count
    }
    return done
}

/// Writes all bytes at an offset.
///
/// - Returns: Whether it worked; if not, the reason is in `errno`.
func writeFully(_ file: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
    var done = 0
    while done < bytes.count {
        let count = pwrite(file, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
        if count < 0 {
            if errno == EINTR { continue }
            return false
        }
        done += count
    }
    return true
}

extension stat {
    var kindBits: mode_t { self.st_mode & S_IFMT }
    var permissions: UInt16 { UInt16(self.st_mode & 0o777) }
    var modified: Int64 { Int64(self.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(self.st_mtim.tv_nsec) }
    var changed: Int64 { Int64(self.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(self.st_ctim.tv_nsec) }
    /// Whether fewer bytes are stored than the file has.
    var mayHaveHoles: Bool { Int(self.st_blocks) * 512 < Int(self.st_size) }
}

/// Splits ns since 1970 as the system wants them: the nanoseconds are never negative.
func splitTime(_ time: Int64) -> (seconds: Int64, nanoseconds: Int64) {
    let (seconds, rest) = time.quotientAndRemainder(dividingBy: 1_000_000_000)
    return rest < 0 ? (seconds - 1, rest + 1_000_000_000) : (seconds, rest)
}

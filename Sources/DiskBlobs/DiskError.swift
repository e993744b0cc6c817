internal import CacheModel
internal import Glibc
internal import StorageInterface

/// Turns `errno` into words and a code.
enum DiskError {
    /// The error for a call that failed with `number` while `action` was being done.
    static func make(_ number: Int32, _ action: String) -> CacheError {
        let reason = String(cString: strerror(number))
        return switch number {
        case ENOSPC, EDQUOT:
            CacheError(
                .quotaExceeded,
                "\(action): the server's disk is full (\(reason)); free space or lower --max-size"
            )
        case EACCES, EPERM, EROFS:
            CacheError(.unavailable, "\(action): \(reason); check the owner and the mode of the data folder")
        case EMFILE, ENFILE:
            CacheError(.unavailable, "\(action): \(reason); raise the limit of open files")
        default:
            CacheError(.unavailable, "\(action): \(reason); try again, and check the disk if it happens again")
        }
    }

    /// What ext4, xfs and btrfs answer for a sector that is lost, or whose checksum is wrong.
    static let lostSector: [Int32] = [EIO, EBADMSG, EUCLEAN]

    /// The error for a blob that could not be opened or read.
    static func reading(_ digest: Digest, _ number: Int32) -> CacheError {
        guard Self.lostSector.contains(number) else { return Self.make(number, "reading blob \(digest)") }
        return .unreadable(digest, String(cString: strerror(number)))
    }

    /// Runs a system call again while it is interrupted.
    ///
    /// - Throws: ``CacheError`` for a result below zero, unless `errno` is among `tolerated`.
    @discardableResult
    static func check<Result: SignedInteger>(
        _ action: @autoclosure () -> String,
        tolerating tolerated: [Int32] = [],
        _ call: () -> Result
    ) throws -> Result {
        while true {
            let result = call()
            if result >= 0 { return result }
            let number = errno
            if number == EINTR { continue }
            if tolerated.contains(number) { return result }
            throw Self.make(number, action())
        }
    }
}

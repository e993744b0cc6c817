internal import CLinux
internal import CacheModel
internal import Glibc
internal import LayerFormat

/// Finds out the digests of files of a scan that was made without reading them.
///
/// Sound to share: each slot of the answer is written by one thread and read when all have ended.
final class CandidateHashing: @unchecked Sendable {
    /// What a file contains.
    struct Verdict {
        var digest: Digest
        var stamp: UInt32?
    }

    private let tree: ScannedTree
    private let candidates: [Int]
    private let threads: Int
    private let verdicts: UnsafeMutableBufferPointer<Verdict?>

    init(_ tree: ScannedTree, _ candidates: [Int], threads: Int) {
        self.tree = tree
        self.candidates = candidates
        self.threads = threads
        self.verdicts = .allocate(capacity: candidates.count)
        self.verdicts.initialize(repeating: nil)
    }

    deinit { self.verdicts.deallocate() }

    /// One answer for each candidate; `nil` for a file that cannot be read or changes meanwhile.
    func run() -> [Verdict?] {
        do throws(TreeError) {
            try WorkerGroup.forEach(count: self.candidates.count, threads: self.threads, batch: 128) { range in
                var hasher = FileHasher()
                var path = PathBuffer()
                for position in range {
                    self.verdicts[position] = self.verdict(self.candidates[position], &hasher, &path)
                }
            }
        } catch {
            return self.candidates.map { _ in nil }
        }
        return Array(self.verdicts)
    }

    private func verdict(_ index: Int, _ hasher: inout FileHasher, _ path: inout PathBuffer) -> Verdict? {
        let detail = self.tree.details[index]
        if let digest = detail.digest { return Verdict(digest: digest, stamp: detail.stamp) }
        self.tree.members.withPath(at: index) { path.set($0.dropping(self.tree.root.strip)) }
        let file = Descriptor(openBeneath(self.tree.root.base, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
        var status = stat()
        guard file.number >= 0, fstat(file.number, &status) == 0, status.kindBits == S_IFREG,
            Int(status.st_size) == self.tree.members.size(at: index), UInt64(status.st_ino) == detail.inode
        else { return nil }
        let mayHaveStamp = self.tree.members.withPath(at: index) {
            PycHeader.mayHaveStamp(path: $0, size: Int(status.st_size))
        }
        let extents = status.mayHaveHoles ? FileHasher.extents(of: file.number, size: Int(status.st_size)) : nil
        guard
            case .hashed(let digest, let stamp) = hasher.hash(
                file.number,
                &status,
                mayHaveStamp: mayHaveStamp,
                extents: extents
            )
        else { return nil }
        return Verdict(digest: digest, stamp: stamp)
    }
}

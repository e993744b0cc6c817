internal import CLinux
internal import Glibc
internal import LayerFormat
internal import Synchronization

/// Writes the files that a chunk holds bytes of; several threads at once, chunks in any order.
final class ChunkWriter: Sendable {
    private let tree: StagedTree
    private let layout: RestoreLayout
    private let plan: RestorePlan
    private let restored: RestoredFiles?
    private let state: Mutex<Progress>

    /// What has been written so far.
    private struct Progress {
        var isWritten: [Bool]
        /// The bytes that are still to come of each file that lies in several chunks and was begun.
        var missing: [Int: Int] = [:]
        var counters = RestoreCounters()
    }

    /// Complete files are noted in `restored`, if somebody wants to know.
    init(tree: StagedTree, layout: RestoreLayout, plan: RestorePlan, restored: RestoredFiles?) {
        self.restored = restored
        self.tree = tree
        self.layout = layout
        self.plan = plan
        self.state = Mutex(Progress(isWritten: Array(repeating: false, count: layout.chunkCount)))
    }

    /// What was written.
    var counters: RestoreCounters { self.state.withLock { $0.counters } }

    /// Writes everything that a chunk contributes; a chunk that was written before is left alone.
    func write(_ chunk: Int, _ bytes: UnsafeRawBufferPointer) throws(TreeError) {
        guard (0..<self.layout.chunkCount).contains(chunk) else {
            throw TreeError(.incomplete, "there is no chunk \(chunk)")
        }
        let range = self.layout.chunkStarts[chunk]..<self.layout.chunkStarts[chunk + 1]
        guard bytes.count == range.count else {
            throw TreeError(.incomplete, "chunk \(chunk) has \(bytes.count) bytes, expected \(range.count)")
        }
        let isFirst = self.state.withLock { state in
            defer { state.isWritten[chunk] = true }
            return !state.isWritten[chunk]
        }
        guard isFirst else { return }
        var path = PathBuffer()
        var counters = RestoreCounters()
        for ordinal in self.layout.files(inChunk: chunk) {
            let member = self.layout.files[ordinal]
            guard self.plan.fates[member] == .write else { continue }
            try self.write(member, ordinal, range, bytes, &path, &counters)
        }
        self.state.withLock { $0.counters.add(counters) }
    }

    private func write(
        _ member: Int,
        _ ordinal: Int,
        _ chunk: Range<Int>,
        _ bytes: UnsafeRawBufferPointer,
        _ path: inout PathBuffer,
        _ counters: inout RestoreCounters
    ) throws(TreeError) {
        let start = self.layout.fileStarts[ordinal]
        let size = self.tree.members.size(at: member)
        let part = (start..<start + size).clamped(to: chunk)
        guard !part.isEmpty || size == 0 && chunk.contains(start) else { return }
        let piece = UnsafeRawBufferPointer(
            rebasing: bytes[part.lowerBound - chunk.lowerBound..<part.upperBound - chunk.lowerBound]
        )
        counters.bytesWritten += piece.count
        if part.count == size {
            let file = try self.tree.create(member, &path, isUnfinished: false)
            try self.put(piece, at: 0, of: member, in: file.number)
            try self.complete(member, file.number, wasUnfinished: false)
            counters.filesWritten += 1
            return
        }
        let file = try self.openShared(member, &path)
        try self.put(piece, at: part.lowerBound - start, of: member, in: file.number)
        let isComplete = self.state.withLock { state in
            let missing = (state.missing[member] ?? size) - part.count
            state.missing[member] = missing
            return missing == 0
        }
        if isComplete {
            try self.complete(member, file.number, wasUnfinished: true)
            counters.filesWritten += 1
        }
    }

    private func complete(_ member: Int, _ file: Int32, wasUnfinished: Bool) throws(TreeError) {
        try self.tree.complete(member, file, wasUnfinished: wasUnfinished)
        self.restored?.note(member, file)
    }

    /// Opens a file that lies in several chunks; the first to come creates it while the others wait.
    private func openShared(_ member: Int, _ path: inout PathBuffer) throws(TreeError) -> Descriptor {
        let size = self.tree.members.size(at: member)
        var number: Int32 = -1
        var failure: TreeError?
        self.state.withLock { state in
            guard state.missing[member] == nil else { return }
            do throws(TreeError) {
                let file = try self.tree.create(member, &path, isUnfinished: true)
                if self.tree.stamps.extents[member] != nil, ftruncate(file.number, off_t(size)) != 0 {
                    throw self.tree.error(errno, "write", member)
                }
                number = dup(file.number)
                state.missing[member] = size
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return number >= 0 ? Descriptor(number) : try self.tree.reopen(member, &path)
    }

    /// Writes bytes of a file, its `.pyc` stamp put back, its holes left out.
    private func put(
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int,
        of member: Int,
        in file: Int32
    ) throws(TreeError) {
        var isDone: Bool
        if let extents = self.tree.stamps.extents[member] {
            let size = self.tree.members.size(at: member)
            isDone = ftruncate(file, off_t(size)) == 0 && self.putExtents(bytes, at: offset, extents, in: file)
        } else {
            isDone = writeFully(file, bytes, at: offset)
        }
        if isDone, let stamp = self.tree.stamps.pycStamps[member] {
            let stampRange = PycHeader.stampRange.clamped(to: offset..<offset + bytes.count)
            if !stampRange.isEmpty {
                let from = PycHeader.stampRange.lowerBound
                isDone = withUnsafeBytes(of: stamp.littleEndian) { stamp in
                    let part = stamp[stampRange.lowerBound - from..<stampRange.upperBound - from]
                    return writeFully(file, UnsafeRawBufferPointer(rebasing: part), at: stampRange.lowerBound)
                }
            }
        }
        guard isDone else { throw self.tree.error(errno, "write", member) }
    }

    /// Writes the extents, and whatever else is not zero: a wrong map must not lose bytes.
    private func putExtents(
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int,
        _ extents: [Range<Int>],
        in file: Int32
    ) -> Bool {
        var position = offset
        let end = offset + bytes.count
        for extent in extents + [end..<end] {
            let data = extent.clamped(to: position..<end)
            let hole = UnsafeRawBufferPointer(rebasing: bytes[position - offset..<data.lowerBound - offset])
            if hole.contains(where: { $0 != 0 }), !writeFully(file, hole, at: position) { return false }
            let piece = UnsafeRawBufferPointer(rebasing: bytes[data.lowerBound - offset..<data.upperBound - offset])
            if !writeFully(file, piece, at: data.lowerBound) { return false }
            position = data.upperBound
        }
        return true
    }

    /// Creates the empty files that no chunk brought, and makes sure that nothing is missing.
    func finish() throws(TreeError) {
        let state = self.state.withLock { (isWritten: $0.isWritten, missing: $0.missing) }
        for chunk in self.plan.neededChunks where !state.isWritten[chunk] {
            throw TreeError(.incomplete, "chunk \(chunk) of \(self.layout.chunkCount) was not written")
        }
        for (member, missing) in state.missing where missing != 0 {
            let path = Member.display(self.tree.members.path(at: member))
            throw TreeError(.incomplete, "'\(path)' lacks \(missing) bytes")
        }
        var path = PathBuffer()
        var counters = RestoreCounters()
        for (ordinal, member) in self.layout.files.enumerated()
        where self.tree.members.size(at: member) == 0 && self.plan.fates[member] == .write {
            guard !state.isWritten[self.layout.chunk(at: self.layout.fileStarts[ordinal])] else { continue }
            let file = try self.tree.create(member, &path, isUnfinished: false)
            try self.complete(member, file.number, wasUnfinished: false)
            counters.filesWritten += 1
        }
        self.state.withLock { $0.counters.add(counters) }
    }
}

/// What a restore did.
public struct RestoreCounters: Hashable, Sendable {
    /// Files whose bytes came from chunks.
    public internal(set) var filesWritten = 0
    /// Files that stayed as they were.
    public internal(set) var filesKept = 0
    /// Files that were copied from the old tree.
    public internal(set) var filesReused = 0
    /// Bytes of files that came from chunks.
    public internal(set) var bytesWritten = 0
    /// Directories that were created.
    public internal(set) var directories = 0

    mutating func add(_ other: Self) {
        self.filesWritten += other.filesWritten
        self.filesKept += other.filesKept
        self.filesReused += other.filesReused
        self.bytesWritten += other.bytesWritten
        self.directories += other.directories
    }
}

internal import LayerFormat

/// Where the content of each file stands in the stream and in the chunks.
struct RestoreLayout: Sendable {
    /// The stream offset of each chunk, and the size of the stream at the end.
    let chunkStarts: [Int]
    /// The members that are files, in order.
    let files: [Int]
    /// The stream offset of each file's content.
    let fileStarts: [Int]
    /// The position in ``files`` of each member that is one; -1 for others.
    let ordinals: [Int32]

    /// Derives the layout.
    ///
    /// - Throws: ``TreeError`` if sizes do not add up, which they do in every recipe that was written honestly.
    init(_ recipe: Recipe) throws(TreeError) {
        var chunkStarts = [0]
        for chunk in recipe.chunks {
            guard (1...Recipe.maximumChunkSize).contains(chunk.size) else {
                throw TreeError(.invalidLayer, "chunk \(chunk.digest) has \(chunk.size) bytes")
            }
            chunkStarts.append((chunkStarts.last ?? 0) + chunk.size)
        }
        var offset = 0
        var files: [Int] = []
        var fileStarts: [Int] = []
        var ordinals = [Int32](repeating: -1, count: recipe.members.count)
        for index in recipe.members.indices {
            offset += CanonicalTar.headerSize(of: recipe.members, at: index)
            guard recipe.members.kind(at: index) == .file else { continue }
            ordinals[index] = Int32(files.count)
            files.append(index)
            fileStarts.append(offset)
            // Sizes are at most 2^50, so one addition cannot overflow once the sum so far is within the stream.
            offset += CanonicalTar.paddedSize(recipe.members.size(at: index))
            guard offset <= recipe.streamSize else { break }
        }
        offset += CanonicalTar.endMarkerSize
        guard offset == recipe.streamSize, chunkStarts.last == recipe.streamSize else {
            throw TreeError(
                .invalidLayer,
                "the recipe's members, its \(chunkStarts.last ?? 0) bytes of chunks and its \(recipe.streamSize) bytes of "
                    + "stream do not add up"
            )
        }
        self.chunkStarts = chunkStarts
        self.files = files
        self.fileStarts = fileStarts
        self.ordinals = ordinals
    }

    /// The number of chunks.
    var chunkCount: Int { self.chunkStarts.count - 1 }

    /// The chunks that hold a file's content; none if it has no bytes.
    func chunks(ofFile ordinal: Int, size: Int) -> Range<Int> {
        guard size > 0 else { return 0..<0 }
        let start = self.fileStarts[ordinal]
        return Self.lastIndex(in: self.chunkStarts, notAfter: start)..<Self.lastIndex(
            in: self.chunkStarts,
            notAfter: start + size - 1
        ) + 1
    }

    /// The files of which a chunk may hold bytes: those that begin in it, and one that may reach into it.
    func files(inChunk chunk: Int) -> Range<Int> {
        let first = Self.lastIndex(in: self.fileStarts, notAfter: self.chunkStarts[chunk])
        let last = Self.lastIndex(in: self.fileStarts, notAfter: self.chunkStarts[chunk + 1] - 1)
        return max(0, first)..<max(0, last + 1)
    }

    /// The chunk that holds the byte at a stream offset.
    func chunk(at offset: Int) -> Int { Self.lastIndex(in: self.chunkStarts, notAfter: offset) }

    /// The last position whose value is not greater than `value`; -1 if there is none.
    private static func lastIndex(in values: [Int], notAfter value: Int) -> Int {
        var lower = 0
        var upper = values.count
        while lower < upper {
            let middle = (lower + upper) / 2
            if values[middle] <= value { lower = middle + 1 } else { upper = middle }
        }
        return lower - 1
    }
}

@testable import LayerFiles
@testable import LayerFormat
import LayerKernels
import Support

// An uploaded tar on its way to a layer, without files: decompress, read, build the list, write it as recipe and tars,
// and read these again.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let bytes = decompressed(UnsafeRawBufferPointer(start: start, count: count)),
        let tree = bytes.withUnsafeBytes({ Tree($0) })
    else { return 0 }
    guard (try? tree.members.validate(root: tree.root)) != nil else { return 0 }
    require((try? Stamps(decoding: tree.stamps.encoded(), for: tree.members)) == tree.stamps, "stamps change")
    require((try? MemberColumns(tree.members).list()) == tree.members, "members change in a recipe")
    checkCanonical(tree)
    checkExact(tree)
    return 0
}

/// Makes the next input.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutate(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ capacity: Int, _ seed: UInt32) -> Int {
    mutateTar(data, size, capacity, seed)
}

private struct TooLong: Error {}

/// The tar in an upload that came in two pieces; `nil` if it is damaged or large.
private func decompressed(_ input: UnsafeRawBufferPointer) -> [UInt8]? {
    // zlib and zstd are slow to set up, and FuzzStreams is about them.
    let format = CompressionFormat.detect(input)
    if format == .plain { return Array(input) }
    var bytes: [UInt8] = []
    let stream = StreamDecompressor(maximumWindowBits: 20)
    func add(_ piece: UnsafeRawBufferPointer) throws {
        guard bytes.count + piece.count <= largest else { throw TooLong() }
        bytes.append(contentsOf: piece)
    }
    do {
        try stream.write(UnsafeRawBufferPointer(rebasing: input.prefix(input.count / 2)), add)
        try stream.write(UnsafeRawBufferPointer(rebasing: input.dropFirst(input.count / 2)), add)
        try stream.finish(add)
    } catch {
        return nil
    }
    return bytes
}

private struct Tree: Equatable {
    var root = "."
    var members = MemberList()
    var stamps = Stamps()

    /// Reads a tar as an upload does.
    init?(_ input: UnsafeRawBufferPointer) {
        var position = 0
        let reader = TarReader(limits: limits) { buffer in
            let piece = input[position...].prefix(buffer.count)
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: piece))
            position += piece.count
            return piece.count
        }
        var builder = SpooledTreeBuilder(limits: limits)
        do throws(TarError) {
            while let entry = try reader.next() { try builder.add(entry) }
            try builder.finish()
        } catch {
            return nil
        }
        self.root = builder.rootPath
        self.members = builder.members
        self.stamps = builder.stamps
    }
}

/// Writes the canonical tar with zeros for content, and reads it again.
private func checkCanonical(_ tree: Tree) {
    let layout = StreamLayout(of: tree.members)
    require(layout.size == CanonicalTar.streamSize(of: tree.members), "two sizes of the canonical tar")
    guard layout.size <= largest else { return }
    var tar: [UInt8] = []
    for index in tree.members.indices {
        require(layout.headerOffset(of: index) == tar.count, "a header stands elsewhere than its layout says")
        CanonicalTar.appendHeader(of: tree.members, at: index, mtime: nil, to: &tar)
        require(layout.contentOffset(of: index) == tar.count, "content stands elsewhere than its layout says")
        tar += [UInt8](repeating: 0, count: CanonicalTar.paddedSize(tree.members.size(at: index)))
    }
    tar += [UInt8](repeating: 0, count: CanonicalTar.endMarkerSize)
    require(tar.count == layout.size, "the canonical tar has \(tar.count) bytes, expected \(layout.size)")
    let read = tar.withUnsafeBytes { Tree($0) }
    require(read?.members == tree.members, "the canonical tar reads as other members")
}

/// Turns the canonical tar into the exact one, and reads it again.
private func checkExact(_ tree: Tree) {
    guard let writer = try? ExactTarWriter(members: tree.members, stamps: tree.stamps) else {
        return require(false, "stamps do not fit their own members")
    }
    let size = CanonicalTar.streamSize(of: tree.members)
    guard writer.size <= largest, size <= largest else { return }
    var exact = writer
    var tar: [UInt8] = []
    do {
        // The writer passes over the headers it is fed, so that zeros do.
        let zeros = [UInt8](repeating: 0, count: size)
        try zeros.withUnsafeBytes { bytes in try exact.write(bytes) { tar.append(contentsOf: $0) } }
        try exact.finish()
    } catch {
        require(false, "the exact tar cannot be written: \(error)")
    }
    require(tar.count == writer.size, "the exact tar has \(tar.count) bytes, expected \(writer.size)")
    let read = tar.withUnsafeBytes { Tree($0) }
    require(read?.members == tree.members, "the exact tar reads as other members")
    require(read?.stamps.mtimes == tree.stamps.mtimes, "the exact tar has other times")
}

/// The most bytes of a tar that is held in memory.
private let largest = 1 << 18
private let limits = TarLimits(members: 4_096, recordSize: 1 << 16, pathBytes: 1 << 20, extents: 4_096)

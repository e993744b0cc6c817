import LayerFormat
import Support

// Foreign tars: whatever the bytes are, the reader ends with members that keep what it promises, or with an error, and
// passing over content gives the same as reading it.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeRawBufferPointer(start: start, count: count)
    let read = Reading(input, seeks: false, readsContent: true)
    let passed = Reading(input, seeks: true, readsContent: false)
    require(read.entries == passed.entries, "reading and passing over content give different members")
    require(read.error == passed.error, "reading ends with \(read.error ?? "-"), passing with \(passed.error ?? "-")")
    for entry in read.entries { check(entry, size: count) }
    return 0
}

/// Makes the next input.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutate(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ capacity: Int, _ seed: UInt32) -> Int {
    mutateTar(data, size, capacity, seed)
}

private struct Reading {
    var entries: [TarEntry] = []
    var error: String?

    init(_ input: UnsafeRawBufferPointer, seeks: Bool, readsContent: Bool) {
        var position = 0
        let reader = TarReader(limits: limits) { buffer in
            let piece = input[position...].prefix(buffer.count)
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: piece))
            position += piece.count
            return piece.count
        } skip: { count in
            let passed = min(count, input.count - position)
            position += passed
            return passed
        }
        do throws(TarError) {
            while let entry = try reader.next() {
                self.entries.append(entry)
                if readsContent { try Self.readContent(of: entry, with: reader) }
            }
        } catch {
            self.error = error.description
        }
    }

    /// Reads small content in pieces that are no divisors of it.
    private static func readContent(of entry: TarEntry, with reader: TarReader) throws(TarError) {
        var total = 0
        while true {
            let count = try reader.readContent(into: scratch)
            guard count > 0 else { break }
            total += count
        }
        require(total == entry.storedSize, "\(total) bytes were read of \(entry.storedSize)")
    }
}

private func check(_ entry: TarEntry, size: Int) {
    let member = entry.member
    let isRoot = member.path.isEmpty || member.path == Array(".".utf8)
    require(isRoot && member.kind == .directory || (try? MemberList.validatePath(member.path)) != nil, "a bad path")
    require(member.mode <= 0o777, "mode \(member.mode)")
    require(member.kind == .file || member.size == 0, "something that is no file has a size")
    require(entry.headerOffset % 512 == 0 && entry.contentOffset % 512 == 0, "a header or content is not aligned")
    require(entry.headerOffset < size, "a header lies outside")
    require(member.kind == .file || entry.extents == nil, "something that is no file is sparse")
    guard let extents = entry.extents else {
        return require(entry.storedSize == member.size, "\(entry.storedSize) bytes are stored of \(member.size)")
    }
    var end = 0
    for extent in extents {
        require(!extent.isEmpty && extent.lowerBound >= end && extent.upperBound <= member.size, "extents \(extents)")
        end = extent.upperBound
    }
    require(extents.reduce(0) { $0 + $1.count } == entry.storedSize, "extents and stored bytes differ")
}

private let limits = TarLimits(members: 4_096, recordSize: 1 << 16, pathBytes: 1 << 20, extents: 4_096)
nonisolated(unsafe) private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 1_000, alignment: 8)

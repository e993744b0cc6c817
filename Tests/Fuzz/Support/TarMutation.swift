internal import CFuzzer

/// Mutates a tar and then, most of the time, corrects the checksums of its headers.
///
/// Without that nearly every mutation would end at the first checksum.
public func mutateTar(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ capacity: Int, _ seed: UInt32) -> Int {
    let count = LLVMFuzzerMutate(data, size, capacity)
    guard seed % 8 != 0 else { return count }
    let bytes = UnsafeMutableBufferPointer(start: data, count: count)
    for start in stride(from: 0, to: count - 511, by: 512) where looksLikeHeader(bytes, start) {
        writeChecksum(bytes, start)
    }
    return count
}

private func looksLikeHeader(_ bytes: UnsafeMutableBufferPointer<UInt8>, _ start: Int) -> Bool {
    bytes[start + 257] == UInt8(ascii: "u") && bytes[start + 258] == UInt8(ascii: "s")
        || bytes[start + 154] == 0 && bytes[start + 155] == UInt8(ascii: " ")
}

/// Six octal digits, NUL, space.
private func writeChecksum(_ bytes: UnsafeMutableBufferPointer<UInt8>, _ start: Int) {
    for position in 148..<156 { bytes[start + position] = UInt8(ascii: " ") }
    var sum = (start..<(start + 512)).reduce(0) { $0 + Int(bytes[$1]) }
    for position in stride(from: 153, through: 148, by: -1) {
        bytes[start + position] = UInt8(ascii: "0") + UInt8(sum & 7)
        sum >>= 3
    }
    bytes[start + 154] = 0
}

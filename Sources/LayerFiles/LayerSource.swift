public import LayerFormat

/// Where the members of a layer and their bytes come from: a scanned tree, or a tar that somebody sent.
public protocol LayerSource: Sendable {
    /// The members in canonical order.
    var members: MemberList { get }
    /// The modification times and maps of holes; the stamps of `.pyc` files too, once all content was read.
    var stamps: Stamps { get }

    /// A reader of the files' raw bytes, for one thread.
    func makeReader() throws -> any LayerReader
}

/// Reads the raw bytes of a source's files.
///
/// Raw means as on disk: whoever cuts or hashes them takes the source stamp out of `.pyc` files (``PycHeader``).
/// One reader belongs to one thread and may keep the file that it read last open.
public protocol LayerReader: AnyObject {
    /// Fills as much of `buffer` as the file has bytes from `offset` on; the whole buffer, unless the file ends.
    ///
    /// Reading up to the member's size ends with a check that the file is still the one that was described.
    ///
    /// - Parameters:
    ///   - index: The position of a file in the member list.
    ///   - offset: Where in the file to start; never past the member's size.
    ///   - buffer: Room for no more than the rest of the member's size.
    /// - Returns: The number of bytes read; less than the buffer holds only if the file is shorter than its member.
    /// - Throws: ``TreeError``; its code is ``TreeError/Code/changed`` if the file is no longer as described.
    func readContent(ofMember index: Int, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// The header of a `.pyc` file, of which a layer keeps one field apart.
///
/// A timestamp-based `.pyc` (PEP 552, flags 0) repeats the modification time of its source in bytes 8..<12. They are
/// zero in a layer and a ``Stamps/PycStamp`` beside it, or no two virtual environments would have anything in common.
public enum PycHeader {
    /// The number of bytes that decide whether a file has a stamp.
    public static let size = 16
    /// Where the stamp stands.
    public static let stampRange = 8..<12

    /// Whether the name of a file makes it worth to look for a stamp.
    public static func mayHaveStamp(path: UnsafeBufferPointer<UInt8>, size: Int) -> Bool {
        let end = path.count
        return size >= Self.size && end >= 4 && path[end - 1] == UInt8(ascii: "c") && path[end - 2] == UInt8(ascii: "y")
            && path[end - 3] == UInt8(ascii: "p") && path[end - 4] == UInt8(ascii: ".")
    }

    /// The stamp, or `nil` if the header is not one of a timestamp-based `.pyc`.
    ///
    /// It takes at least the first ``size`` bytes of a file that ``mayHaveStamp(path:size:)``.
    public static func stamp(in header: UnsafeRawBufferPointer) -> UInt32? {
        guard header.count >= Self.size, header[2] == 0x0d, header[3] == 0x0a else { return nil }
        guard header.loadUnaligned(fromByteOffset: 4, as: UInt32.self) == 0 else { return nil }
        return UInt32(littleEndian: header.loadUnaligned(fromByteOffset: Self.stampRange.lowerBound, as: UInt32.self))
    }

    /// Writes a stamp, or zero, into the first bytes of a file.
    public static func setStamp(_ stamp: UInt32, in header: UnsafeMutableRawBufferPointer) {
        header.storeBytes(of: stamp.littleEndian, toByteOffset: Self.stampRange.lowerBound, as: UInt32.self)
    }
}
